/*
 * plugin_elf - is a plugin in that file, and for which version?
 *
 * Read with pread(2), never mapped: a file that is cut meanwhile must not end
 * who looks at it, and no number in it is believed before it is checked.
 */
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/plugin_file.h"
#include "reeve/job.h"

#define SYMBOL      "reeve_job_plugin"
#define TABLE_MAX   (64 << 20)
#define HEADERS_MAX 65535

struct elf {
	int fd;
	ElfW(Ehdr) head;
	ElfW(Shdr) * sections;
	size_t nsections;
};

/* Part of the file, the caller's; NULL: it has no such part. */
static void *
elf_read(const struct elf *e, uint64_t off, uint64_t len)
{
	char *p;

	if (len == 0 || len > TABLE_MAX || off > INT64_MAX - TABLE_MAX)
		return NULL;
	p = xmalloc(len + 1);
	p[len] = '\0';
	if (pread(e->fd, p, len, (off_t)off) == (ssize_t)len)
		return p;
	free(p);
	return NULL;
}

static bool
elf_open(struct elf *e)
{
	const ElfW(Ehdr) *h = &e->head;
	unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (pread(e->fd, &e->head, sizeof e->head, 0) != sizeof e->head ||
	    memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
	    h->e_ident[EI_CLASS] != class || h->e_type != ET_DYN)
		return false;
	if (h->e_shentsize == sizeof *e->sections && h->e_shnum < HEADERS_MAX) {
		e->sections =
		    elf_read(e, h->e_shoff, h->e_shnum * sizeof *e->sections);
		e->nsections = e->sections != NULL ? h->e_shnum : 0;
	}
	return true;
}

/* Where the bytes at an address stand in the file; 0: nowhere. */
static uint64_t
elf_offset(const struct elf *e, uint64_t addr)
{
	const ElfW(Ehdr) *h = &e->head;
	ElfW(Phdr) *p = h->e_phentsize != sizeof *p
			    ? NULL
			    : elf_read(e, h->e_phoff, h->e_phnum * sizeof *p);
	uint64_t off = 0;

	for (size_t i = 0; p != NULL && i < h->e_phnum && off == 0; i++)
		if (p[i].p_type == PT_LOAD && addr >= p[i].p_vaddr &&
		    addr - p[i].p_vaddr < p[i].p_filesz)
			off = addr - p[i].p_vaddr + p[i].p_offset;
	free(p);
	return off;
}

/* 1: it is there, at *addr; 0: it is not; -1: nobody can tell. */
static int
elf_symbol(const struct elf *e, const ElfW(Shdr) * dyn, uint64_t *addr)
{
	const ElfW(Shdr) *str =
	    dyn->sh_link < e->nsections ? &e->sections[dyn->sh_link] : NULL;
	ElfW(Sym) *syms = elf_read(e, dyn->sh_offset, dyn->sh_size);
	char *names =
	    str != NULL ? elf_read(e, str->sh_offset, str->sh_size) : NULL;
	size_t n = dyn->sh_size / sizeof *syms;
	int found = syms != NULL && names != NULL ? 0 : -1;

	for (size_t i = 0; found == 0 && i < n; i++)
		if (syms[i].st_shndx != SHN_UNDEF &&
		    syms[i].st_name < str->sh_size &&
		    strcmp(names + syms[i].st_name, SYMBOL) == 0) {
			*addr = syms[i].st_value;
			found = 1;
		}
	free(syms);
	free(names);
	return found;
}

static int
elf_plugin(const struct elf *e, uint64_t *addr)
{
	for (size_t i = 0; i < e->nsections; i++)
		if (e->sections[i].sh_type == SHT_DYNSYM)
			return elf_symbol(e, &e->sections[i], addr);
	return -1;
}

static int
elf_check(const struct elf *e, const char *path, struct err *err)
{
	uint64_t addr = 0, off;
	uint32_t abi;
	int found = elf_plugin(e, &addr);

	if (found == 0)
		return err_set(err,
		    "plugin %s: it has no " SYMBOL ": not a job plugin", path);
	off = found == 1 ? elf_offset(e, addr) : 0;
	/* The first member of the struct, in all versions. */
	if (off == 0 ||
	    pread(e->fd, &abi, sizeof abi, (off_t)off) != sizeof abi ||
	    abi == REEVE_JOB_ABI)
		return 0;
	return err_set(err,
	    "plugin %s: built for version %u of reeve/job.h, this is %u: build "
	    "it again",
	    path, abi, REEVE_JOB_ABI);
}

int
plugin_look(const char *path, int fd, struct err *err)
{
	struct elf e = { .fd = fd };
	int r;

	if (!elf_open(&e))
		return err_set(err,
		    "plugin %s: not a shared library of this machine", path);
	r = elf_check(&e, path, err);
	free(e.sections);
	return r;
}
