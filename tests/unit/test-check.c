/* The build checks: each rule's good and bad examples. */
#include "build/check.h"

#include "base/cleanup.h"
#include "test.h"

/* What is found, as "line Rule; ..."; with `#` the messages. */
static const struct {
	const char *name, *text, *want;
} cases[] = {
	{ "nothing", "FROM a\nRUN x\nCMD [\"x\"]", "" },
	/* the documented examples */
	{ "StageNameCasing", "FROM alpine AS BuilderBase",
	  "1 StageNameCasing: Stage name 'BuilderBase' should be lowercase" },
	{ "FromAsCasing", "FROM debian:latest as builder",
	  "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match" },
	{ "FromAsCasing good", "FROM debian AS a\nFROM debian AS b", "" },
	{ "FromAsCasing lower", "from debian as a", "" },
	{ "NoEmptyContinuation", "FROM alpine\nEXPOSE \\\n\n80",
	  "2 NoEmptyContinuation: Empty continuation line found in: EXPOSE 80" },
	{ "NoEmptyContinuation good", "FROM alpine\nEXPOSE \\\n# Port\n80", "" },
	{ "ConsistentInstructionCasing",
	  "From alpine\nRun echo hello > /greeting.txt\nEntRYpOiNT [\"cat\", \"/greeting.txt\"]",
	  "1 ConsistentInstructionCasing: Command 'From' should match the case of the command "
	  "majority (uppercase); 2 ConsistentInstructionCasing: Command 'Run' should match the "
	  "case "
	  "of the command majority (uppercase); 3 ConsistentInstructionCasing: Command "
	  "'EntRYpOiNT' "
	  "should match the case of the command majority (uppercase)" },
	{ "ConsistentInstructionCasing lower", "from alpine\nrun echo hello\nentrypoint [\"cat\"]",
	  "" },
	{ "ConsistentInstructionCasing majority", "from alpine\nrun x\nRUN y",
	  "3 ConsistentInstructionCasing: Command 'RUN' should match the case of the command "
	  "majority "
	  "(lowercase)" },
	{ "DuplicateStageName", "FROM debian AS builder\nRUN x\nFROM golang AS builder",
	  "3 DuplicateStageName: Duplicate stage name 'builder', stage names should be unique" },
	{ "ReservedStageName", "FROM alpine AS scratch\nFROM alpine AS context",
	  "1 ReservedStageName: 'scratch' is reserved and should not be used as a stage name; "
	  "2 ReservedStageName: 'context' is reserved and should not be used as a stage name" },
	{ "JSONArgsRecommended", "FROM alpine\nENTRYPOINT my-program start",
	  "2 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended "
	  "behavior related to OS signals" },
	{ "JSONArgsRecommended with a shell",
	  "FROM alpine\nSHELL [\"/bin/bash\", \"-c\"]\nENTRYPOINT echo \"hello world\"", "" },
	{ "MaintainerDeprecated", "FROM a\nMAINTAINER moby@example.com",
	  "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label" },
	{ "UndefinedArgInFrom", "FROM node:22${VARIANT} AS jsbuilder",
	  "1 UndefinedArgInFrom: FROM argument 'VARIANT' is not declared" },
	{ "UndefinedArgInFrom, misspelled", "FROM --platform=${BULDPLATFORM} node",
	  "1 UndefinedArgInFrom: FROM argument 'BULDPLATFORM' is not declared (did you mean "
	  "BUILDPLATFORM?)" },
	{ "UndefinedArgInFrom good",
	  "ARG VARIANT=\"-alpine3.20\"\nFROM node:22${VARIANT} AS jsbuilder", "" },
	{ "WorkdirRelativePath", "FROM nginx AS web\nWORKDIR usr/share/nginx/html",
	  "2 WorkdirRelativePath: Relative workdir 'usr/share/nginx/html' can have unexpected "
	  "results "
	  "if the base image changes" },
	{ "WorkdirRelativePath good", "FROM nginx AS w\nWORKDIR /usr\nWORKDIR b\nFROM w\nWORKDIR c",
	  "" },
	{ "UndefinedVar", "FROM scratch AS base\nCOPY $foo .",
	  "2 UndefinedVar: Usage of undefined variable '$foo'" },
	{ "UndefinedVar good", "FROM scratch AS base\nARG foo\nCOPY $foo .\nRUN $bar", "" },
	{ "UndefinedVar, misspelled", "FROM scratch\nENV PATH=$PAHT:/app/bin",
	  "2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)" },
	{ "UndefinedVar with a default", "FROM scratch\nENV A=${b:-c} D=${e+f}", "" },
	{ "UndefinedVar of the base", "FROM python\nARG VERSION=$PYTHON_VERSION X=$NIX",
	  "2 UndefinedVar: Usage of undefined variable '$NIX'" },
	{ "UndefinedVar of an unknown base", "FROM unknown\nARG VERSION=$PYTHON_VERSION", "" },
	{ "UndefinedVar of a stage", "FROM scratch AS a\nENV X=1\nFROM a\nENV Y=$X Z=$W",
	  "4 UndefinedVar: Usage of undefined variable '$W'" },
	{ "UndefinedVar in a heredoc",
	  "FROM scratch\nCOPY <<E /x\n$nix\nE\nCOPY <<\"E\" /x\n$nix\nE",
	  "2 UndefinedVar: Usage of undefined variable '$nix'" },
	{ "MultipleInstructionsDisallowed",
	  "FROM alpine\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\nFROM b\nENTRYPOINT [\"c\"]",
	  "2 MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used "
	  "in "
	  "the same stage because only the last one will be used" },
	{ "MultipleInstructionsDisallowed good",
	  "FROM python\nHEALTHCHECK CMD [\"curl\"]\nCMD [\"python\"]", "" },
	{ "LegacyKeyValueFormat", "FROM alpine\nENV DEPS \\\n    curl",
	  "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key "
	  "value\" format" },
	{ "RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM alpine AS builder",
	  "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is "
	  "redundant as this is the default behavior" },
	{ "SecretsUsedInArgOrEnv",
	  "FROM scratch\nARG AWS_SECRET_ACCESS_KEY\nENV api_token=1 MONKEY=2 PUBLIC_KEY=3",
	  "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "
	  "\"AWS_SECRET_ACCESS_KEY\"); 3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions "
	  "for sensitive data (ENV \"api_token\")" },
	{ "InvalidDefaultArgInFrom", "ARG TAG\nFROM busybox:${TAG}",
	  "2 InvalidDefaultArgInFrom: Default value for ARG busybox:${TAG} results in empty or "
	  "invalid "
	  "base image name" },
	{ "InvalidDefaultArgInFrom good",
	  "ARG TAG=latest\nARG VARIANT\nFROM busybox:${TAG}\nFROM busybox:stable${VARIANT}\nFROM "
	  "alpine:${VARIANT:-3.14}",
	  "" },
	{ "FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 alpine AS base",
	  "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "
	  "\"linux/amd64\"" },
	{ "FromPlatformFlagConstDisallowed good",
	  "FROM --platform=${BUILDPLATFORM} alpine AS base\nFROM --platform=linux/amd64 alpine AS "
	  "build_amd64",
	  "" },
	{ "CopyIgnoredFile", "FROM scratch\nCOPY ./tmp/helloworld.txt /helloworld.txt\nADD tmp/x /",
	  "2 CopyIgnoredFile: Attempting to Copy file \"./tmp/helloworld.txt\" that is excluded by "
	  ".dockerignore; 3 CopyIgnoredFile: Attempting to Add file \"tmp/x\" that is excluded by "
	  ".dockerignore" },
	{ "CopyIgnoredFile good",
	  "FROM a AS b\nFROM scratch\nCOPY ./forever/x /x\nCOPY --from=b tmp/x /x\nCOPY tmp/* /",
	  "" },
	{ "InvalidDefinitionDescription is off",
	  "# a non-descriptive comment\nFROM scratch AS base", "" },
	{ "InvalidDefinitionDescription",
	  "# check=experimental=InvalidDefinitionDescription\n# a comment\nFROM scratch AS "
	  "base\n\n# "
	  "VERSION of it\nARG VERSION=1\n# another\nARG X=1",
	  "3 InvalidDefinitionDescription; 8 InvalidDefinitionDescription" },
	{ "ExposeProtoCasing", "FROM alpine\nEXPOSE 80/TcP 81/udp",
	  "2 ExposeProtoCasing: Defined protocol '80/TcP' in EXPOSE instruction should be "
	  "lowercase" },
	{ "ExposeInvalidFormat", "FROM alpine\nEXPOSE 127.0.0.1:80:80 ${X:-80}",
	  "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port "
	  "mapping, found '127.0.0.1:80:80'" },
	/* the directive */
	{ "skip", "# check=skip=StageNameCasing,FromAsCasing\nFROM a as B\nMAINTAINER x",
	  "3 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label" },
	{ "skip all", "# check=skip=all\nFROM a as B\nMAINTAINER x", "" },
	{ "skip all of the experimental", "# check=skip=all;experimental=all\n# x\nFROM a as B",
	  "" },
	{ "error", "# check=error=true\nFROM a\nMAINTAINER x",
	  "error 3 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using "
	  "label" },
	{ "error, nothing found",
	  "# check=skip=MaintainerDeprecated;error=true\nFROM a\nMAINTAINER x", "" },
	{ "case of names", "# check=skip=stagenamecasing\nFROM a AS B",
	  "1 there is no check 'stagenamecasing' (did you mean 'StageNameCasing'?); 2 "
	  "StageNameCasing: Stage name 'B' should be "
	  "lowercase" },
	{ "unknown option", "# check=skp=all\nFROM a",
	  "error 1 check=skp=all: known are skip=<names|all>, error=<true|false> and "
	  "experimental=<names|all>" },
};

static const struct strv *base_env(void *data, const struct stage *stage)
{
	return str_eq(stage->from->args.v[0], "python") ? data : NULL;
}

static void test_rules(void **state)
{
	cleanup_strv struct strv env = { 0 };
	cleanup(ignore_free_cleanup) struct ignore *ignore = NULL;
	struct err err = ERR_INIT;

	strv_add(&env, "PYTHON_VERSION=3");
	assert_int_equal(ignore_parse("tmp/*\n", 6, ".dockerignore", &ignore, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_dockerfile struct dockerfile f = DOCKERFILE_INIT;
		cleanup_diagnostics struct diagnostics d = { 0 };
		cleanup_str struct str out = STR_INIT;
		struct check_options o = { .ignore = ignore, .base_env = base_env, .data = &env };
		bool failed = false;

		check(cases[i].name,
		      dockerfile_parse(cases[i].text, strlen(cases[i].text), "Dockerfile", &f,
				       &d) == 0,
		      "%s", d.items.n ? d.items.v[0].message : "?");
		int r = dockerfile_check(&f, &o, &d);
		vec_each(item, &d.items) {
			bool description = str_starts(item->message, "InvalidDefinition");
			failed = failed || item->severity == SEVERITY_ERROR;
			str_addf(&out, "%s%s%d %s%s%s%s", out.len ? "; " : "",
				 item->severity == SEVERITY_ERROR ? "error " : "", item->mark.line,
				 description ? item->path : item->message, item->hint ? " (" : "",
				 item->hint ? item->hint : "", item->hint ? ")" : "");
		}
		check_text(cases[i].name, str_text(&out), cases[i].want);
		check(cases[i].name, (r < 0) == failed, "%d", r);
	}
}

/* The table is whole: each rule has a name of its own and words. */
static void test_table(void **state)
{
	size_t n = 0;

	for (; check_name(n); n++) {
		assert_true(*check_name(n) && *check_summary(n));
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(check_name(i), check_name(n));
	}
	assert_int_equal(n, 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
