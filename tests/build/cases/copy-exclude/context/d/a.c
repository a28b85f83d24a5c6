d/a.c
