/* no_symbol - a shared object, and no plugin. */
int no_symbol(void);

int
no_symbol(void)
{
	return 0;
}
