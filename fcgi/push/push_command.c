#include "push/push_command.h"
#include "base/text.h"

static bool cut_front(struct slice *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

static bool cut_end(struct slice *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p + s->n - n, word, n) != 0)
		return false;
	s->n -= n;
	return true;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_app(struct slice s)
{
	if (s.n == 0 || !is_plain(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_plain(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

void push_command_parse(const char *text, size_t n, struct push_command *ret)
{
	struct slice s = { text, n };

	*ret = (struct push_command){ n ? PUSH_VERB_OTHER : PUSH_VERB_NONE, "" };
	if (!cut_front(&s, "git-") && !cut_front(&s, "git "))
		return;
	if (cut_front(&s, "receive-pack '") && cut_end(&s, "'"))
		ret->verb = PUSH_VERB_PUSH;
	else if (cut_front(&s, "upload-pack '") && cut_end(&s, "'"))
		ret->verb = PUSH_VERB_FETCH;
	else
		return;
	(void)cut_front(&s, "/");
	(void)cut_end(&s, ".git");
	if (is_app(s) && s.n < sizeof ret->app)
		memcpy(ret->app, s.p, s.n);
}
