/* Logging in to a registry, and forgetting it. */
#include "base/fs.h"
#include "base/parse.h"
#include "image/http.h"
#include "image/image.h"

#include <fcntl.h>

static int save_config(const json_t *config, struct err *err)
{
	cleanup_free char *dir = image__auth_dir();
	cleanup_free char *path = path_join(dir, "config.json");
	int r = fs_mkdirs(AT_FDCWD, dir, 0700, err);

	return r < 0 ? r : json_write(AT_FDCWD, path, config, 0600, FS_SYNC, err);
}

static json_t *sub_object(json_t *obj, const char *key)
{
	json_t *sub = json_object_get(obj, key);

	if (!json_is_object(sub)) {
		sub = json_object();
		json_put(obj, key, sub);
	}
	return sub;
}

/* Whether the registry takes the pair. */
static int try_login(const char *registry, const char *user, const char *secret, struct err *err)
{
	cleanup(image__http_free_cleanup) struct http *h = NULL;
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = {
		.method = "GET", .path = "/v2/", .body_fd = FD_NONE, .max = AUTH_TEXT_MAX
	};
	int r = image__http_open(registry, &h, err);

	if (r < 0)
		return r;
	image__http_user(h, user, secret);
	r = image__http_do(h, &q, &response, err);
	if (r == 0 && response.status != 200)
		r = image__http_fail(&response, err, "log in");
	return r;
}

int image_login(const char *registry, const char *user, const char *secret, struct err *err)
{
	const char *key = image__auth_key(registry), *helper;
	cleanup_free char *pair = xasprintf("%s:%s", user, secret);
	cleanup_free char *auth = format_base64(pair, strlen(pair));
	cleanup_json json_t *config = NULL;
	int r = image__auth_config(&config, err);

	if (r < 0)
		return r;
	if (strchr(user, ':'))
		return err_input(err, "a user name cannot have a colon");
	r = try_login(registry, user, secret, err);
	if (r < 0)
		return r;
	helper = json_str(json_object_get(config, "credHelpers"), registry,
			  json_str(config, "credsStore", NULL));
	if (helper) {
		cleanup_json json_t *j = json_pack("{s:s,s:s,s:s}", "ServerURL", key, "Username",
						   user, "Secret", secret);
		cleanup_free char *text = j ? json_text(j) : xstrdup("{}");
		cleanup_str struct str out = STR_INIT;

		return image__auth_helper(helper, "store", text, &out, err);
	}
	json_put(sub_object(config, "auths"), key, json_pack("{s:s}", "auth", auth));
	return save_config(config, err);
}

int image_login_stored(const char *registry, char **ret_user, char **ret_secret, struct err *err)
{
	cleanup_free char *user = NULL, *secret = NULL;
	int r = image__credentials(registry, &user, &secret, err);

	if (r < 0)
		return r;
	if (str_empty(user) || str_empty(secret) || str_eq(user, IMAGE_IDENTITY_TOKEN))
		return err_not_found(err, "there is no login for '%s'", registry);
	*ret_user = ptr_take(user);
	*ret_secret = ptr_take(secret);
	return 0;
}

int image_logout(const char *registry, bool *ret_was, struct err *err)
{
	const char *key = image__auth_key(registry), *helper;
	cleanup_json json_t *config = NULL;
	json_t *auths;
	int r = image__auth_config(&config, err);

	if (r < 0)
		return r;
	helper = json_str(json_object_get(config, "credHelpers"), registry,
			  json_str(config, "credsStore", NULL));
	if (helper) {
		cleanup_str struct str out = STR_INIT;

		r = image__auth_helper(helper, "erase", key, &out, err);
		if (r < 0)
			return r;
	}
	auths = json_object_get(config, "auths");
	*ret_was = json_object_get(auths, key) != NULL;
	if (!*ret_was)
		return 0;
	json_object_del(auths, key);
	return save_config(config, err);
}
