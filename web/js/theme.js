// The chosen theme is put on the page before it is painted; this file is no module for that reason.
(() => {
	try {
		const chosen = localStorage.getItem("nap.theme");
		if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
	} catch {
		// Storage is closed to us: the system's theme it is.
	}
})();
