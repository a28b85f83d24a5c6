d/sub/b.c
