/* Growing arrays of plain values. `VEC(struct port) ports;` declares an anonymous struct {v, n,
 * cap}; all zero is empty. Elements are moved by memory, so nothing may point into v across a push.
 */
#ifndef STAVE_BASE_VEC_H
#define STAVE_BASE_VEC_H

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n, cap;                                                                     \
	}

#define vec_reserve(vec, want)                                                                     \
	do {                                                                                       \
		size_t want_ = (want);                                                             \
		if (want_ > (vec)->cap) {                                                          \
			size_t cap_ = (vec)->cap ? (vec)->cap * 2 : 8;                             \
			if (cap_ < want_)                                                          \
				cap_ = want_;                                                      \
			(vec)->v = xreallocarray((vec)->v, cap_, sizeof(*(vec)->v));               \
			(vec)->cap = cap_;                                                         \
		}                                                                                  \
	} while (0)

/* Appends a value: vec_push(&ports, (struct port){ .target = 80 }). */
#define vec_push(vec, ...)                                                                         \
	do {                                                                                       \
		vec_reserve((vec), (vec)->n + 1);                                                  \
		(vec)->v[(vec)->n++] = (__VA_ARGS__);                                              \
	} while (0)

/* Appends a zeroed element and gives its address (valid until the next push). */
#define vec_add(vec)                                                                               \
	({                                                                                         \
		vec_reserve((vec), (vec)->n + 1);                                                  \
		memset(&(vec)->v[(vec)->n], 0, sizeof(*(vec)->v));                                 \
		&(vec)->v[(vec)->n++];                                                             \
	})

/* Removes element i, keeping the order. The element's content is the caller's to release first. */
#define vec_remove(vec, i)                                                                         \
	do {                                                                                       \
		size_t at_ = (i);                                                                  \
		memmove(&(vec)->v[at_], &(vec)->v[at_ + 1],                                        \
			((vec)->n - at_ - 1) * sizeof(*(vec)->v));                                 \
		(vec)->n--;                                                                        \
	} while (0)

/* Frees the array, not what its elements own. */
#define vec_done(vec)                                                                              \
	do {                                                                                       \
		free((vec)->v);                                                                    \
		(vec)->v = NULL;                                                                   \
		(vec)->n = (vec)->cap = 0;                                                         \
	} while (0)

/* Compared by index: an empty array has no address to add to. */
#define vec_each(item, vec)                                                                        \
	for (__auto_type item = (vec)->v; (size_t)(item - (vec)->v) < (vec)->n; item++)

#endif
