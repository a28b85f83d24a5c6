/* What a registry answered. */
#include "base/json.h"
#include "image/http.h"

void image__http_response_done(struct http_response *r)
{
	str_done(&r->body);
	free(r->content_type);
	free(r->digest);
	free(r->location);
	*r = (struct http_response){ 0 };
}

int image__http_fail(const struct http_response *r, struct err *err, const char *what)
{
	cleanup_json json_t *j = json_loadb(str_text(&r->body), r->body.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
	const char *text = json_str(first, "message", "");
	bool clean = *text && strlen(text) < 300 && str_utf8(text, strlen(text), true);
	enum err_kind kind = r->status == 404			    ? ERR_NOT_FOUND
			     : r->status == 401 || r->status == 403 ? ERR_PERMISSION
								    : ERR_NETWORK;
	int no = kind == ERR_NOT_FOUND ? ENOENT : kind == ERR_PERMISSION ? EACCES : EPROTO;

	return err_new(err, kind, no, "%s: the registry answers %ld%s%s%s", what, r->status,
		       clean ? " (" : "", clean ? text : "", clean ? ")" : "");
}
