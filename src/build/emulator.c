#include "build/emulator.h"

#include "base/fs.h"
#include "base/parse.h"
#include "image/assemble.h"
#include "runtime/runtime.h"

#include <elf.h>
#include <fcntl.h>

static const struct machine {
	const char *name;
	unsigned char class, data;
	unsigned short machine;
} machines[] = {
	{ "386", ELFCLASS32, ELFDATA2LSB, EM_386 },
	{ "amd64", ELFCLASS64, ELFDATA2LSB, EM_X86_64 },
	{ "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM },
	{ "arm64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64 },
	{ "loong64", ELFCLASS64, ELFDATA2LSB, 258 },
	{ "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64 },
	{ "riscv64", ELFCLASS64, ELFDATA2LSB, 243 },
	{ "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390 },
};

bool emulator_is_native(const char *architecture)
{
	const char *own = image_architecture();

	return str_eq(architecture, own) || (str_eq(own, "amd64") && str_eq(architecture, "386")) ||
	       (str_eq(own, "arm64") && str_eq(architecture, "arm"));
}

/* The start of a program of the machine. */
static void make_header(const struct machine *m, unsigned char header[EI_NIDENT + 4])
{
	static const unsigned char start[] = { 0x7f, 'E', 'L', 'F' };
	bool big = m->data == ELFDATA2MSB;

	memset(header, 0, EI_NIDENT + 4);
	memcpy(header, start, sizeof(start));
	header[EI_CLASS] = m->class;
	header[EI_DATA] = m->data;
	header[EI_VERSION] = EV_CURRENT;
	header[EI_NIDENT + big] = ET_EXEC;
	header[EI_NIDENT + 2 + big] = (unsigned char)(m->machine & 0xff);
	header[EI_NIDENT + 2 + !big] = (unsigned char)(m->machine >> 8);
}

static size_t from_hex(const char *text, unsigned char *out, size_t size)
{
	size_t n = 0;
	unsigned byte;

	for (; n < size && sscanf(text, "%2x", &byte) == 1; text += 2)
		out[n++] = (unsigned char)byte;
	return n;
}

/* An entry as the kernel shows it: "enabled", "offset 0", "magic 7f45...", "mask ffff...". */
static bool takes(const char *entry, const unsigned char *header, size_t len)
{
	cleanup_strv struct strv lines = strv_split(entry, '\n');
	unsigned char magic[128], mask[128];
	size_t count = 0;
	bool enabled = false, at_start = true;

	memset(mask, 0xff, sizeof(mask));
	for (size_t i = 0; i < lines.n; i++) {
		const char *value;

		enabled = enabled || str_eq(lines.v[i], "enabled");
		if ((value = str_after(lines.v[i], "offset ")))
			at_start = str_eq(value, "0");
		else if ((value = str_after(lines.v[i], "magic ")))
			count = from_hex(value, magic, sizeof(magic));
		else if ((value = str_after(lines.v[i], "mask ")))
			(void)from_hex(value, mask, sizeof(mask));
	}
	if (!enabled || !at_start || !count)
		return false;
	for (size_t i = 0; i < count && i < len; i++)
		if ((header[i] & mask[i]) != (magic[i] & mask[i]))
			return false;
	return true;
}

bool emulator_there(const char *architecture)
{
	enum { ENTRY_MAX = 8192 };
	cleanup_strv struct strv names = { 0 };
	unsigned char header[EI_NIDENT + 4];
	const struct machine *m = NULL;
	struct err ignored = ERR_INIT; /* no binfmt_misc: nothing is registered */

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (str_eq(machines[i].name, architecture))
			m = &machines[i];
	if (!m)
		return true;
	make_header(m, header);
	cleanup_fd int dir = runtime_binfmt_open();
	if (dir >= 0 && fs_list(dir, ".", &names, &ignored) < 0)
		err_done(&ignored);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_str struct str text = STR_INIT;

		if (str_eq(names.v[i], "register") || str_eq(names.v[i], "status"))
			continue;
		if (fs_read(dir, names.v[i], ENTRY_MAX, &text, &ignored) < 0)
			err_done(&ignored);
		else if (takes(str_text(&text), header, sizeof(header)))
			return true;
	}
	return false;
}
