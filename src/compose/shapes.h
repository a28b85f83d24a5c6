/* Values that many keys share; for the tables of keys (keys.c, keys-deploy.c) alone. */
#ifndef STAVE_COMPOSE_SHAPES_H
#define STAVE_COMPOSE_SHAPES_H

#include "compose/keys.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct shape string = { .kinds = K_STR };
static const struct shape boolean = { .kinds = K_BOOL | K_STR };
static const struct shape strict_boolean = { .kinds = K_BOOL };
static const struct shape integer = { .kinds = K_INT | K_STR };
static const struct shape strict_integer = { .kinds = K_INT };
static const struct shape number = { .kinds = K_NUM | K_STR };
static const struct shape strict_number = { .kinds = K_NUM };
static const struct shape strings = { .kinds = K_LIST, .items = &string };
static const struct shape string_set = { .kinds = K_LIST, .flags = SHAPE_UNIQUE, .items = &string };
static const struct shape string_or_list = { .kinds = K_STR | K_LIST,
					     .flags = SHAPE_UNIQUE,
					     .items = &string };
static const struct shape scalar_or_null = { .kinds = K_STR | K_NUM | K_BOOL | K_NULL };
static const struct shape list_or_map = {
	.kinds = K_LIST | K_MAP, .flags = SHAPE_UNIQUE, .items = &string, .each = &scalar_or_null
};
static const struct shape string_or_number = { .kinds = K_STR | K_NUM };
static const struct shape string_or_integer = { .kinds = K_STR | K_INT };
static const struct shape number_set = { .kinds = K_LIST,
					 .flags = SHAPE_UNIQUE,
					 .items = &string_or_integer };
static const struct shape options_map = { .kinds = K_MAP, .each = &string_or_number };
static const struct shape command = { .kinds = K_NULL | K_STR | K_LIST, .items = &string };
static const struct shape host_addresses = { .kinds = K_STR | K_LIST, .items = &string };
static const struct shape hosts = {
	.kinds = K_LIST | K_MAP, .flags = SHAPE_UNIQUE, .items = &string, .each = &host_addresses
};

extern const struct key device_request_keys[];
extern const struct shape deploy_shape;

#endif
