src/x/y/c.h
