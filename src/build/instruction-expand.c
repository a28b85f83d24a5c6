/* Variables of an instruction: which of its operands are replaced. */
#include "build/dockerfile.h"
#include "build/expand.h"

static int expand_in_place(const struct expand *x, char **text, struct err *err)
{
	char *expanded = NULL;
	int r = *text ? expand_text(x, *text, &expanded, err) : 0;

	if (r == 0 && *text) {
		free(*text);
		*text = expanded;
	}
	return r;
}

static int expand_list(const struct expand *x, struct strv *list, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = expand_in_place(x, &list->v[i], err);
	return r;
}

static int expand_copy(struct instruction *in, const struct expand *x, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->args.n; i++)
		if (!instruction_heredoc(in, in->args.v[i]))
			r = expand_in_place(x, &in->args.v[i], err);
	vec_each(h, &in->heredocs) {
		char *content = NULL;
		if (r < 0 || !h->expand)
			continue;
		r = expand_heredoc(x, h->content, &content, err);
		if (r == 0) {
			free(h->content);
			h->content = content;
			h->expand = false;
		}
	}
	if (r < 0 || (r = expand_in_place(x, &in->copy.chown, err)) < 0 ||
	    (r = expand_in_place(x, &in->copy.chmod, err)) < 0 ||
	    (r = expand_in_place(x, &in->copy.checksum, err)) < 0)
		return r;
	return expand_list(x, &in->copy.exclude, err);
}

static int expand_ports(struct instruction *in, const struct expand *x, struct err *err)
{
	struct strv ports = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->args.n; i++)
		r = expand_words(x, in->args.v[i], &ports, err);
	if (r < 0) {
		strv_done(&ports);
		return r;
	}
	strv_done(&in->args);
	in->args = ports;
	return 0;
}

static int expand_pairs(struct instruction *in, const struct expand *x, struct err *err)
{
	int r = 0;

	vec_each(pair, &in->pairs)
		if (r == 0 && (r = expand_in_place(x, &pair->key, err)) == 0)
			r = expand_in_place(x, &pair->value, err);
	return r;
}

int instruction_expand(struct instruction *in, const struct expand *x, struct err *err)
{
	switch (in->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY: return expand_copy(in, x, err);
	case INSTRUCTION_EXPOSE: return expand_ports(in, x, err);
	case INSTRUCTION_FROM: {
		int r = expand_in_place(x, &in->platform, err);
		return r < 0 ? r : expand_list(x, &in->args, err);
	}
	case INSTRUCTION_STOPSIGNAL:
	case INSTRUCTION_USER:
	case INSTRUCTION_VOLUME:
	case INSTRUCTION_WORKDIR: return expand_list(x, &in->args, err);
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
	case INSTRUCTION_LABEL: return expand_pairs(in, x, err);
	default: return 0;
	}
}
