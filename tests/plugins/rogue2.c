/* rogue2 - another version of rogue, to be put in its place. */
#define VERSION "2"
#include "rogue.c"
