src/x/b.c
