#include "base/map.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t seed(void)
{
	static uint64_t value;
	while (!value)
		if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
			value = (uint64_t)(uintptr_t)&value; /* address space randomisation has to
								do */
	return value;
}

/* Multiply and fold over eight bytes at a time (as wyhash does), keyed by the seed. */
uint32_t map_hash(const char *key, size_t len)
{
	uint64_t h = seed() ^ (len * 0x9e3779b97f4a7c15u);
	while (len) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;
		memcpy(&word, key, n);
		__extension__ unsigned __int128 product =
			(unsigned __int128)(h ^ word) * (0xa0761d6478bd642fu ^ (seed() | 1));
		h = (uint64_t)product ^ (uint64_t)(product >> 64);
		key += n;
		len -= n;
	}
	return (uint32_t)(h ^ h >> 32);
}

void map_done(struct map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!m->entries[i].key)
			continue;
		free(m->entries[i].key);
		if (m->free_value && m->entries[i].value)
			m->free_value(m->entries[i].value);
	}
	free(m->entries);
	free(m->slots);
	*m = (struct map){ .free_value = m->free_value };
}

/* The slot that holds key, or the free one where it belongs. Removed entries keep their slot until
 * the next rebuild, so that the search goes on behind them. */
static size_t find_slot(const struct map *m, const char *key, uint32_t hash)
{
	size_t mask = m->slot_count - 1;
	for (size_t at = hash & mask;; at = (at + 1) & mask) {
		if (!m->slots[at])
			return at;
		const struct map_entry *e = &m->entries[m->slots[at] - 1];
		if (e->key && e->hash == hash && strcmp(e->key, key) == 0)
			return at;
	}
}

static struct map_entry *find(const struct map *m, const char *key)
{
	if (!m->live)
		return NULL;
	size_t at = find_slot(m, key, map_hash(key, strlen(key)));
	return m->slots[at] ? &m->entries[m->slots[at] - 1] : NULL;
}

/* Drops removed entries and makes room for one more, at most half full. */
static void rebuild(struct map *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].key)
			m->entries[n++] = m->entries[i];
	m->n = n;
	if (n >= m->cap / 2) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->entries = xreallocarray(m->entries, m->cap, sizeof(*m->entries));
	}
	free(m->slots);
	m->slot_count = m->cap * 2;
	m->slots = xcalloc(m->slot_count, sizeof(*m->slots));
	for (size_t i = 0; i < n; i++)
		m->slots[find_slot(m, m->entries[i].key, m->entries[i].hash)] = (uint32_t)i + 1;
}

void map_set(struct map *m, const char *key, void *value)
{
	struct map_entry *e = find(m, key);
	if (e) {
		if (m->free_value && e->value && e->value != value)
			m->free_value(e->value);
		e->value = value;
		return;
	}
	if (m->n == m->cap)
		rebuild(m);
	uint32_t hash = map_hash(key, strlen(key));
	m->entries[m->n] = (struct map_entry){ .key = xstrdup(key), .value = value, .hash = hash };
	m->slots[find_slot(m, key, hash)] = (uint32_t)++m->n;
	m->live++;
}

void *map_get(const struct map *m, const char *key)
{
	const struct map_entry *e = find(m, key);
	return e ? e->value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	return find(m, key) != NULL;
}

void *map_take(struct map *m, const char *key)
{
	struct map_entry *e = find(m, key);
	if (!e)
		return NULL;
	void *value = e->value;
	free(e->key);
	*e = (struct map_entry){ 0 };
	m->live--;
	return value;
}
