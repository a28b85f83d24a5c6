#include "build/report.h"

#include "base/fs.h"

int report_send(int fd, const struct report_head *head, const char *text)
{
	struct report_head h = *head;
	int r;

	h.len = text ? (uint32_t)strlen(text) : 0;
	r = fs_write_all(fd, &h, sizeof(h));
	return r < 0 || !h.len ? r : fs_write_all(fd, text, h.len);
}

bool report_next(struct str *in, struct report_head *ret_head, char **ret_text)
{
	struct report_head h;
	size_t whole;

	if (in->len < sizeof(h))
		return false;
	memcpy(&h, in->data, sizeof(h));
	if (h.kind >= REPORT_KIND_MAX_ || h.len > REPORT_TEXT_MAX) {
		h.kind = REPORT_KIND_MAX_;
		*ret_head = h;
		*ret_text = NULL;
		return true;
	}
	whole = sizeof(h) + h.len;
	if (in->len < whole)
		return false;
	*ret_head = h;
	*ret_text = xstrndup(in->data + sizeof(h), h.len);
	memmove(in->data, in->data + whole, in->len - whole);
	in->len -= whole;
	return true;
}

static int read_all(int fd, void *buf, size_t len)
{
	for (char *at = buf; len;) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int report_receive(int fd, struct report_head *ret_head, char **ret_text, struct err *err)
{
	cleanup_free char *text = NULL;
	int r = read_all(fd, ret_head, sizeof(*ret_head));

	if (r == 0 && ret_head->len > REPORT_TEXT_MAX)
		r = -EBADMSG;
	if (r == 0) {
		text = xcalloc((size_t)ret_head->len + 1, 1);
		r = read_all(fd, text, ret_head->len);
	}
	if (r < 0)
		return err_sys(err, -r, "read from the build's other process");
	*ret_text = ptr_take(text);
	return 0;
}

json_t *report_err_to_json(const struct err *err)
{
	json_t *j = json_object();

	json_put_str(j, "kind", err_kind_name(err->kind));
	json_put(j, "no", json_integer(err->no));
	json_put_str(j, "msg", err->msg);
	return j;
}

int report_err_from_json(const char *text, struct err *err)
{
	cleanup_json json_t *j = json_loads(text, 0, NULL);
	enum err_kind kind = err_kind_parse(json_str(j, "kind", ""));
	int no = (int)json_int(j, "no", EIO);

	return err_new(err, kind == ERR_KIND_MAX_ ? ERR_SYSTEM : kind, no > 0 ? no : EIO, "%s",
		       json_str(j, "msg", "a stage of the build failed"));
}
