#include "model/repository.h"

/*
 * What git-config(1) calls these: shallowUpdate lets a shallow clone push; the three warnings are faults that honest
 * old history has. `git init --shared` would refuse forced pushes: here pre-receive decides. Rewriting old packs is
 * for the leader alone, hence no automatic gc.
 */
const char repository_config[] = "[core]\n"
				 "\trepositoryformatversion = 0\n"
				 "\tfilemode = true\n"
				 "\tbare = true\n"
				 "\tsharedRepository = 0660\n"
				 "\tbigFileThreshold = 8m\n"
				 "[http]\n"
				 "\treceivepack = true\n"
				 "\tgetanyfile = false\n"
				 "[transfer]\n"
				 "\thideRefs = refs/nap\n"
				 "[receive]\n"
				 "\tautogc = false\n"
				 "\tshallowUpdate = true\n"
				 "\tadvertisePushOptions = true\n"
				 "\tfsckObjects = true\n"
				 "[receive \"fsck\"]\n"
				 "\tbadTimezone = warn\n"
				 "\tmissingSpaceBeforeDate = warn\n"
				 "\tzeroPaddedFilemode = warn\n"
				 "[gc]\n"
				 "\tauto = 0\n"
				 "[pack]\n"
				 "\tthreads = 1\n";
