#include "base/build-id.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LEN = 4, ALIGN = 4 };

static size_t padded(size_t len)
{
	return (len + ALIGN - 1) / ALIGN * ALIGN;
}

/* The notes of one segment: header, name, content, both padded. */
static bool find_in(const char *at, size_t len, char text[BUILD_ID_TEXT])
{
	ElfW(Nhdr) note;
	while (len >= sizeof(note)) {
		memcpy(&note, at, sizeof(note));
		size_t name = padded(note.n_namesz),
		       whole = sizeof(note) + name + padded(note.n_descsz);
		if (whole > len)
			return false;
		const unsigned char *id = (const unsigned char *)at + sizeof(note) + name;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == NAME_LEN &&
		    memcmp(at + sizeof(note), "GNU", NAME_LEN) == 0) {
			for (size_t i = 0; i < note.n_descsz && i * 2 + 2 < BUILD_ID_TEXT; i++)
				snprintf(text + i * 2, 3, "%02x", id[i]);
			return true;
		}
		at += whole;
		len -= whole;
	}
	return false;
}

/* The first object is the program. */
static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_NOTE &&
		    find_in((const char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, data))
			break;
	}
	return 1;
}

const char *build_id(void)
{
	static char text[BUILD_ID_TEXT];
	if (!*text)
		(void)dl_iterate_phdr(look, text); /* without a note: empty */
	return text;
}
