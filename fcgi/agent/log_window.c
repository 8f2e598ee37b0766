#include "agent/log_window.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SIZE (128 * 1024)

void log_window_release(struct log_window *w)
{
	free(w->chunk);
	if (w->fd >= 0)
		(void)close(w->fd);
}

bool log_window_open(struct log_window *w, const struct log_stream *s, ino_t inode)
{
	struct log_files f;
	bool found = false;

	if (w->fd >= 0 && w->inode == inode)
		return true;
	log_files_list(s, &f);
	for (size_t i = 0; i < f.n && !found; i++) {
		struct stat st;
		int fd;

		if (f.inode[i] != inode)
			continue;
		fd = open(f.path[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && st.st_ino == inode) {
			if (w->fd >= 0)
				(void)close(w->fd);
			w->fd = fd;
			w->inode = inode;
			w->n = 0;
			found = true;
		} else {
			(void)close(fd);
		}
	}
	log_files_release(&f);
	return found;
}

struct slice log_window_bytes(struct log_window *w, off_t offset, size_t want)
{
	ssize_t n;

	if (w->n && offset >= w->at && offset + (off_t)want <= w->at + (off_t)w->n)
		return (struct slice){ w->chunk + (offset - w->at),
			w->n - (size_t)(offset - w->at) };
	if (!w->chunk)
		w->chunk = xmalloc(SIZE);
	n = pread(w->fd, w->chunk, SIZE, offset);
	w->at = offset;
	w->n = n > 0 ? (size_t)n : 0;
	return (struct slice){ w->chunk, w->n };
}

bool log_window_mid_line(struct log_window *w, off_t offset)
{
	char before = '\n';

	return offset > 0 && pread(w->fd, &before, 1, offset - 1) == 1 && before != '\n';
}

off_t log_window_line_start(struct log_window *w, off_t offset, off_t size)
{
	if (offset == 0 || !log_window_mid_line(w, offset))
		return offset;
	while (offset < size) {
		struct slice b = log_window_bytes(w, offset, 1);
		const char *nl = b.n ? memchr(b.p, '\n', b.n) : NULL;

		if (!b.n)
			break;
		if (nl)
			return offset + (nl - b.p) + 1;
		offset += (off_t)b.n;
	}
	return size;
}
