// What the browser keeps as a file.

export function saveBlob(blob, name) {
	const a = document.createElement("a");
	a.href = URL.createObjectURL(blob);
	a.download = name;
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}

export function saveText(text, name, type = "text/plain") {
	saveBlob(new Blob([text], { type }), name);
}

const quoted = (v) => {
	const text = v === null || v === undefined ? "" : String(v);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** RFC 4180, with the mark by which spreadsheets know UTF-8. */
export function saveCsv(rows, name) {
	saveText("\ufeff" + rows.map((row) => row.map(quoted).join(",") + "\r\n").join(""), name, "text/csv");
}
