"""Where the programs under test are."""
import os
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))


def program(name):
    """A built program: of $NAP_BIN, of this build, or of the tree; else one of $PATH, or None."""
    for folder in (os.environ.get("NAP_BIN"), os.environ.get("abs_top_builddir"), os.path.dirname(HERE)):
        if folder and os.access(os.path.join(folder, name), os.X_OK):
            return os.path.abspath(os.path.join(folder, name))
    return shutil.which(name)
