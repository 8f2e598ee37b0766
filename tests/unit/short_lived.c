/* Linked into programs that the sanitizers are in (fcgi/local.mk): what they do where ASAN_OPTIONS says nothing else. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
