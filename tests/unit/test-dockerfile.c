/* Dockerfiles as text: what is read, and what is said about mistakes. */
#include "build/dockerfile.h"

#include "base/cleanup.h"
#include "build/expand.h"
#include "test.h"

/* The AST as one line of text an instruction, so that tables can say what they expect. */
static void dump_list(struct str *out, const char *name, const struct strv *list)
{
	if (list->n)
		str_addf(out, " %s", name);
	for (size_t i = 0; i < list->n; i++)
		str_addf(out, "[%s]", list->v[i]);
}

static void dump_instruction(struct str *out, const struct instruction *in)
{
	str_addf(out, "%u-%u %s", in->first, in->last, instruction_name(in->kind));
	dump_list(out, in->json ? "json" : "args", &in->args);
	vec_each(pair, &in->pairs)
		str_addf(out, " {%s%s%s}", pair->key,
			 pair->spaced  ? "~"
			 : pair->value ? "="
				       : "",
			 pair->value ? pair->value : "");
	vec_each(h, &in->heredocs)
		str_addf(out, " <<%s%s(%s)@%u", h->expand ? "" : "'", h->name, h->content, h->line);
	dump_list(out, "mounts", &in->mounts);
	dump_list(out, "devices", &in->devices);
	dump_list(out, "exclude", &in->copy.exclude);
	if (in->network)
		str_addf(out, " network=%d", (int)in->network);
	if (in->insecure)
		str_add(out, " insecure");
	if (in->script)
		str_add(out, " script");
	if (in->copy.from)
		str_addf(out, " from=%s", in->copy.from);
	if (in->copy.chown)
		str_addf(out, " chown=%s", in->copy.chown);
	if (in->copy.chmod)
		str_addf(out, " chmod=%s", in->copy.chmod);
	if (in->copy.checksum)
		str_addf(out, " checksum=%s", in->copy.checksum);
	if (in->copy.link)
		str_add(out, " link");
	if (in->copy.parents)
		str_add(out, " parents");
	if (in->copy.keep_git_dir)
		str_add(out, " keep-git-dir");
	if (in->copy.has_unpack)
		str_addf(out, " unpack=%d", in->copy.unpack);
	if (in->health.none)
		str_add(out, " none");
	if (in->health.interval)
		str_addf(out, " interval=%lld", (long long)in->health.interval / 1000000);
	if (in->health.retries)
		str_addf(out, " retries=%d", in->health.retries);
	if (in->platform)
		str_addf(out, " platform=%s", in->platform);
	if (in->stage_name)
		str_addf(out, " as=%s", in->stage_name);
	if (in->empty_continuation)
		str_add(out, " gap");
	if (in->onbuild) {
		str_add(out, " trigger:(");
		dump_instruction(out, in->onbuild);
		str_add(out, ")");
	}
}

static void dump(struct str *out, const struct dockerfile *f)
{
	vec_each(in, &f->globals) {
		dump_instruction(out, *in);
		str_addc(out, '\n');
	}
	vec_each(stage, &f->stages) {
		dump_instruction(out, stage->from);
		str_addc(out, '\n');
		vec_each(in, &stage->body) {
			dump_instruction(out, *in);
			str_addc(out, '\n');
		}
	}
}

static const struct {
	const char *name, *text, *want;
} reads[] = {
	{ "least", "FROM scratch", "1-1 FROM args[scratch]\n" },
	{ "any case, blanks, CRLF", "from a\r\n  RuN  echo  hi \r\n",
	  "1-1 FROM args[a]\n2-2 RUN args[echo  hi]\n" },
	{ "byte order mark",
	  "\xEF\xBB\xBF"
	  "FROM a",
	  "1-1 FROM args[a]\n" },
	{ "global ARG", "ARG V=1 W\nFROM a:$V as B-1.x_\n",
	  "1-1 ARG {V=1} {W}\n2-2 FROM args[a:$V] as=b-1.x_\n" },
	{ "continuation", "FROM a\nRUN a \\\n  b\\ \t\n c\n",
	  "1-1 FROM args[a]\n2-4 RUN args[a   b c]\n" },
	{ "comments inside a continuation", "FROM a\nRUN a \\\n# one\n  # two \\\nb\nRUN c",
	  "1-1 FROM args[a]\n2-5 RUN args[a b]\n6-6 RUN args[c]\n" },
	{ "empty line inside a continuation", "FROM a\nRUN a \\\n\n  b",
	  "1-1 FROM args[a]\n2-4 RUN args[a   b] gap\n" },
	{ "an escaped escape does not continue", "FROM a\nRUN a\\\\\nRUN b",
	  "1-1 FROM args[a]\n2-2 RUN args[a\\\\]\n3-3 RUN args[b]\n" },
	{ "continuation at the end of the file", "FROM a\nRUN a \\",
	  "1-1 FROM args[a]\n2-2 RUN args[a]\n" },
	{ "escape directive", "# escape=`\nFROM a\nCOPY x c:\\\nRUN b `\nc",
	  "2-2 FROM args[a]\n3-3 COPY args[x][c:\\]\n4-5 RUN args[b c]\n" },
	{ "directive after a comment is none", "# x\n# escape=`\nFROM a\nRUN b `",
	  "3-3 FROM args[a]\n4-4 RUN args[b `]\n" },
	{ "exec form", "FROM a\nRUN [\"a b\", \"c\\\\d\"]\nCMD [ \"x\" ]\nENTRYPOINT []",
	  "1-1 FROM args[a]\n2-2 RUN json[a b][c\\d]\n3-3 CMD json[x]\n4-4 ENTRYPOINT\n" },
	{ "broken JSON is for the shell", "FROM a\nRUN ['a']\nRUN [ -f x ] && y",
	  "1-1 FROM args[a]\n2-2 RUN args[['a']]\n3-3 RUN args[[ -f x ] && y]\n" },
	{ "ENV", "FROM a\nENV A=1 B=\"x y\" C=a\\ b D='q r'\nENV OLD  two  words ",
	  "1-1 FROM args[a]\n2-2 ENV {A=1} {B=\"x y\"} {C=a\\ b} {D='q r'}\n"
	  "3-3 ENV {OLD~two  words}\n" },
	{ "LABEL", "FROM a\nLABEL \"com.x\"=\"A B\" y=\\\nz",
	  "1-1 FROM args[a]\n2-3 LABEL {\"com.x\"=\"A B\"} {y=z}\n" },
	{ "COPY",
	  "FROM a\nCOPY --from=b --chown=1:2 --chmod=u=rwX --link --parents=false "
	  "--exclude=*.a --exclude=b/** x y z/\nCOPY [\"a b\", \"c d\"]",
	  "1-1 FROM args[a]\n2-2 COPY args[x][y][z/] exclude[*.a][b/**] from=b chown=1:2 "
	  "chmod=u=rwX link\n3-3 COPY json[a b][c d]\n" },
	{ "ADD", "FROM a\nADD --checksum=sha256:00 --keep-git-dir --unpack=false http://x/y /z",
	  "1-1 FROM args[a]\n2-2 ADD args[http://x/y][/z] checksum=sha256:00 keep-git-dir "
	  "unpack=0\n" },
	{ "RUN flags",
	  "FROM a\nRUN --mount=type=cache,target=/c --mount=target=/b,rw --network=none "
	  "--security=insecure --device=v/d -- --x\nRUN --network=HOST y",
	  "1-1 FROM args[a]\n2-2 RUN args[--x] mounts[type=cache,target=/c][target=/b,rw] "
	  "devices[v/d] network=1 insecure\n3-3 RUN args[y] network=2\n" },
	{ "quoted flag", "FROM a\nRUN --mount=type=secret,id=\"a\\ b\" x",
	  "1-1 FROM args[a]\n2-2 RUN args[x] mounts[type=secret,id=a b]\n" },
	{ "HEALTHCHECK",
	  "FROM a\nHEALTHCHECK --interval=5m --retries=2 cmd [\"a\"]\nHEALTHCHECK CMD a  b\n"
	  "HEALTHCHECK none",
	  "1-1 FROM args[a]\n2-2 HEALTHCHECK json[a] interval=300000 retries=2\n"
	  "3-3 HEALTHCHECK args[a  b]\n4-4 HEALTHCHECK none\n" },
	{ "lists", "FROM a\nEXPOSE 80 81/udp\nVOLUME /a /b\nVOLUME [\"/c d\"]",
	  "1-1 FROM args[a]\n2-2 EXPOSE args[80][81/udp]\n3-3 VOLUME args[/a][/b]\n"
	  "4-4 VOLUME json[/c d]\n" },
	{ "single operands",
	  "FROM --platform=$BUILDPLATFORM a\nUSER a b\nWORKDIR /x y\nSTOPSIGNAL 9\nMAINTAINER a "
	  "<b>\nSHELL [\"sh\"]",
	  "1-1 FROM args[a] platform=$BUILDPLATFORM\n2-2 USER args[a b]\n3-3 WORKDIR args[/x y]\n"
	  "4-4 STOPSIGNAL args[9]\n5-5 MAINTAINER args[a <b>]\n6-6 SHELL json[sh]\n" },
	{ "ONBUILD", "FROM a\nONBUILD COPY --from=b x /y\nONBUILD run <<E\na\nE\n",
	  "1-1 FROM args[a]\n2-2 ONBUILD args[COPY --from=b x /y] trigger:(2-2 COPY args[x][/y] "
	  "from=b)\n3-5 ONBUILD args[run <<E\na\nE] trigger:(3-5 RUN args[a\n] <<E(a\n)@4)\n" },
	{ "RUN heredoc", "FROM a\nRUN <<EOF\n# no comment\n a \\\nEOF \nEOF\nRUN b",
	  "1-1 FROM args[a]\n2-6 RUN args[# no comment\n a \\\nEOF \n] "
	  "<<EOF(# no comment\n a \\\nEOF \n)@3\n7-7 RUN args[b]\n" },
	{ "RUN heredoc with a program", "FROM a\nRUN <<-'E'\n\t#!/bin/x\n\ty\n\tE\n",
	  "1-1 FROM args[a]\n2-5 RUN args[#!/bin/x\ny\n] <<'E(#!/bin/x\ny\n)@3 script\n" },
	{ "RUN heredocs for the shell", "FROM a\nRUN <<A cat >x && 3<<\"B\" cat >y\n1\nA\n2\nB\n",
	  "1-1 FROM args[a]\n2-6 RUN args[<<A cat >x && 3<<\"B\" cat >y\n1\nA\n2\nB] <<A(1\n)@3 "
	  "<<'B(2\n)@5\n" },
	{ "COPY heredocs", "FROM a\nCOPY <<A.txt <<-\"B\" c /d/\n$x\nA.txt\n\t\ty\n\tB\n",
	  "1-1 FROM args[a]\n2-6 COPY args[<<A.txt][<<-\"B\"][c][/d/] <<A.txt($x\n)@3 "
	  "<<'B(y\n)@5\n" },
	{ "no heredocs in quotes, in exec form, elsewhere",
	  "FROM a\nRUN echo \"<<A\" '<<B' a<<C\nRUN [\"<<D\"]\nCMD <<E",
	  "1-1 FROM args[a]\n2-2 RUN args[echo \"<<A\" '<<B' a<<C]\n3-3 RUN json[<<D]\n"
	  "4-4 CMD args[<<E]\n" },
	{ "a heredoc after a continuation", "FROM a\nRUN a \\\n <<E\nx\nE\n",
	  "1-1 FROM args[a]\n2-5 RUN args[a  <<E\nx\nE] <<E(x\n)@4\n" },
};

static void test_reads(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		cleanup_dockerfile struct dockerfile f = DOCKERFILE_INIT;
		cleanup_diagnostics struct diagnostics d = { 0 };
		cleanup_str struct str out = STR_INIT;
		int r = dockerfile_parse(reads[i].text, strlen(reads[i].text), "Dockerfile", &f,
					 &d);
		check(reads[i].name, r == 0, "%s", d.items.n ? d.items.v[0].message : "?");
		dump(&out, &f);
		check_text(reads[i].name, str_text(&out), reads[i].want);
	}
}

static const struct {
	const char *name, *text, *want;
} mistakes[] = {
	{ "empty", "", "0: the file has no instructions" },
	{ "only comments", "# a\n\n", "0: the file has no instructions" },
	{ "no FROM", "ARG a", "0: the file has no FROM, which begins a build stage" },
	{ "RUN first", "RUN a\nFROM b", "1: RUN stands before the first FROM; only ARG can" },
	{ "unknown", "FROM a\nRUM x", "2: unknown instruction 'RUM' (did you mean RUN?)" },
	{ "unknown, lower case", "FROM a\n\nworkdri /",
	  "3: unknown instruction 'workdri' (did you mean WORKDIR?)" },
	{ "nothing near", "FROM a\nxyzzy", "2: unknown instruction 'xyzzy'" },
	{ "several at once", "FROM a\nFOO\nRUN\nBAR",
	  "2: unknown instruction 'FOO'; 3: RUN needs at least one argument; "
	  "4: unknown instruction 'BAR'" },
	{ "flag", "FROM a\nCOPY --chwon=1 a b",
	  "2: unknown flag '--chwon' of COPY (did you mean '--chown'?)" },
	{ "flag of another", "FROM a\nWORKDIR --chown=1 b",
	  "2: unknown flag '--chown' of WORKDIR (WORKDIR takes no flags)" },
	{ "flag twice", "FROM a\nCOPY --link --link a b", "2: the flag '--link' is given twice" },
	{ "flag without a value", "FROM a\nCOPY --from a b",
	  "2: the flag '--from' needs a value: --from=..." },
	{ "bool", "FROM a\nCOPY --link=2 a b", "2: --link=2 is neither true nor false" },
	{ "network", "FROM a\nRUN --network=bridge a",
	  "2: --network=bridge is not one of default, none, host" },
	{ "one COPY operand", "FROM a\nCOPY a",
	  "2: COPY needs at least two arguments: what to copy, and where to" },
	{ "variable in from", "FROM a\nCOPY --from=$x a b",
	  "2: --from=$x cannot have a variable; give the image a stage of its own (FROM $x AS "
	  "name)" },
	{ "FROM words", "FROM a b", "1: FROM takes one argument or three: FROM image [AS name]" },
	{ "FROM comment", "FROM a # b",
	  "1: FROM has '#' where AS is expected: FROM image [AS name]" },
	{ "stage name", "FROM a AS 1a",
	  "1: '1a' is no name for a stage: it begins with a letter and has only letters, digits "
	  "and "
	  "'-_.'" },
	{ "ENV without value", "FROM a\nENV a", "2: ENV needs two arguments: ENV a=value" },
	{ "ENV second word", "FROM a\nENV a=b c",
	  "2: 'c' of ENV has no '=': it must be name=value" },
	{ "ENV no name", "FROM a\nENV =b", "2: a name of ENV cannot be empty" },
	{ "JSON of numbers", "FROM a\nCMD [1]",
	  "2: the JSON array of CMD has an element that is not a string" },
	{ "SHELL form", "FROM a\nSHELL bash",
	  "2: SHELL needs its arguments as a JSON array, such as [\"/bin/bash\", \"-c\"]" },
	{ "health type", "FROM a\nHEALTHCHECK curl x",
	  "2: HEALTHCHECK has 'curl' where CMD or NONE is expected" },
	{ "health duration", "FROM a\nHEALTHCHECK --interval=5 CMD x",
	  "2: '5' of --interval is not a duration such as 30s or 1m30s" },
	{ "health none", "FROM a\nHEALTHCHECK NONE x", "2: HEALTHCHECK NONE takes no arguments" },
	{ "ONBUILD ONBUILD", "FROM a\nONBUILD ONBUILD RUN x",
	  "2: ONBUILD cannot be chained: ONBUILD ONBUILD is not allowed" },
	{ "ONBUILD FROM", "FROM a\nONBUILD FROM x",
	  "2: FROM is not allowed as an ONBUILD trigger" },
	{ "heredoc without an end", "FROM a\nRUN <<EOF\nx\n",
	  "2: the heredoc 'EOF' has no end: a line that is only 'EOF'" },
	{ "heredoc as destination", "FROM a\nCOPY x <<E\nE\n",
	  "2: the destination of COPY cannot be a heredoc" },
	{ "heredoc with a path", "FROM a\nCOPY <<../x /\n../x\n",
	  "2: the heredoc '../x' cannot be the name of a file" },
	{ "escape directive", "# escape=x\nFROM a", "1: escape=x is neither '\\' nor '`'" },
	{ "directive twice", "# syntax=a\n# syntax=b\nFROM a",
	  "2: the parser directive 'syntax' is given twice" },
	{ "mount type", "FROM a\nRUN --mount=type=bnd,target=/x y",
	  "2: 'bnd' is no type of a mount; did you mean 'bind'?" },
	{ "mount option", "FROM a\nRUN --mount=type=cache,targte=/x y",
	  "2: unknown option 'targte' of a mount; did you mean 'target'?" },
	{ "mount option of another type", "FROM a\nRUN --mount=type=tmpfs,target=/x,id=y z",
	  "2: a mount of type tmpfs has no option 'id'" },
	{ "mount without target", "FROM a\nRUN --mount=type=cache y",
	  "2: a mount of type cache needs a target" },
	{ "mount from a variable", "FROM a\nRUN --mount=from=$x,target=/y z",
	  "2: 'from=$x' of a mount cannot have a variable; give the image a stage of its own "
	  "(FROM $x AS name)" },
};

static void test_mistakes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		cleanup_dockerfile struct dockerfile f = DOCKERFILE_INIT;
		cleanup_diagnostics struct diagnostics d = { 0 };
		cleanup_str struct str out = STR_INIT;
		int r = dockerfile_parse(mistakes[i].text, strlen(mistakes[i].text), "Dockerfile",
					 &f, &d);
		vec_each(item, &d.items)
			str_addf(&out, "%s%d: %s%s%s%s", out.len ? "; " : "", item->mark.line,
				 item->message, item->hint ? " (" : "",
				 item->hint ? item->hint : "", item->hint ? ")" : "");
		check_text(mistakes[i].name, str_text(&out), mistakes[i].want);
		check(mistakes[i].name, r < 0, "parsed");
	}
}

static void test_bounds(void **state)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_dockerfile struct dockerfile f = DOCKERFILE_INIT;
	cleanup_diagnostics struct diagnostics d = { 0 };

	str_add(&text, "FROM a\n");
	for (int i = 0; i < DOCKERFILE_INSTRUCTIONS_MAX; i++)
		str_add(&text, "RUN a\n");
	assert_int_equal(dockerfile_parse(text.data, text.len, "D", &f, &d), -EINVAL);
	assert_string_equal(d.items.v[0].message, "there are more than 10000 instructions");
	dockerfile_done(&f);
	diagnostics_done(&d);

	/* A heredoc of nearly all the bytes there may be is fine; one byte more is not. */
	str_clear(&text);
	str_add(&text, "FROM a\nCOPY <<E /x\n");
	while (text.len < DOCKERFILE_BYTES_MAX - 102)
		str_addf(&text, "%.*s\n", 99,
			 "x23456789 123456789 123456789 123456789 123456789 "
			 "123456789 123456789 123456789 123456789 123456789");
	str_add(&text, "E\n");
	assert_int_equal(dockerfile_parse(text.data, text.len, "D", &f, &d), 0);
	dockerfile_done(&f);
	while (text.len <= DOCKERFILE_BYTES_MAX)
		str_addc(&text, '\n');
	assert_int_equal(dockerfile_parse(text.data, text.len, "D", &f, &d), -EINVAL);
	assert_string_equal(d.items.v[0].message, "the file is larger than 1 MiB");
	dockerfile_done(&f);
	diagnostics_done(&d);
	assert_int_equal(dockerfile_parse("FROM a\0b", 8, "D", &f, &d), -EINVAL);
}

static void test_stages(void **state)
{
	static const char text[] = "FROM a AS x\nFROM b\nFROM c AS X\nFROM d AS y\n";
	cleanup_dockerfile struct dockerfile f = DOCKERFILE_INIT;
	cleanup_diagnostics struct diagnostics d = { 0 };

	assert_int_equal(dockerfile_parse(text, strlen(text), "D", &f, &d), 0);
	assert_int_equal(dockerfile_stage(&f, "x", 2)->index, 0);
	assert_int_equal(dockerfile_stage(&f, "x", SIZE_MAX)->index, 2);
	assert_int_equal(dockerfile_stage(&f, "Y", SIZE_MAX)->index, 3);
	assert_int_equal(dockerfile_stage(&f, "1", 2)->index, 1);
	assert_null(dockerfile_stage(&f, "1", 1));
	assert_null(dockerfile_stage(&f, "y", 3));
	assert_null(dockerfile_stage(&f, "", SIZE_MAX));
	assert_null(dockerfile_stage(&f, "+1", SIZE_MAX));
}

static const char *lookup(void *data, const char *name)
{
	return strcmp(name, "p") == 0 ? "/cache" : NULL;
}

static void test_mounts(void **state)
{
	struct expand x = { .lookup = lookup };
	struct err err = ERR_INIT;
	cleanup_run_mount struct run_mount m = { 0 };

	assert_int_equal(run_mount_parse("target=$p/a,source=b,from=c", &x, &m, &err), 0);
	assert_int_equal(m.kind, MOUNT_BIND);
	assert_true(m.read_only);
	assert_string_equal(m.target, "/cache/a");
	assert_string_equal(m.source, "b");
	assert_string_equal(m.from, "c");
	run_mount_done(&m);
	assert_int_equal(
		run_mount_parse("type=cache,dst=/x,sharing=locked,mode=0700,uid=5,gid=6,id=z", &x,
				&m, &err),
		0);
	assert_false(m.read_only);
	assert_int_equal(m.sharing, SHARING_LOCKED);
	assert_true(m.has_mode && m.mode == 0700 && m.uid == 5 && m.gid == 6);
	run_mount_done(&m);
	assert_int_equal(run_mount_parse("type=tmpfs,target=/t,size=64m", &x, &m, &err), 0);
	assert_int_equal(m.size_bytes, 64 << 20);
	run_mount_done(&m);
	assert_int_equal(run_mount_parse("rw,\"target=/a,b\"", &x, &m, &err), 0);
	assert_string_equal(m.target, "/a,b");
	assert_false(m.read_only);
	run_mount_done(&m);
	assert_int_equal(run_mount_parse("type=secret,id=a,env=B,required", &x, &m, &err), 0);
	assert_true(m.required);
	assert_null(m.target);
	assert_string_equal(m.env, "B");
	run_mount_done(&m);
	assert_int_equal(run_mount_parse("type=ssh", &x, &m, &err), 0);
	run_mount_done(&m);
	assert_true(run_mount_parse("type=ssh,mode=9", &x, &m, &err) < 0);
	err_done(&err);
}

static void test_trigger(void **state)
{
	struct instruction *in = NULL;
	struct err err = ERR_INIT;
	cleanup_str struct str out = STR_INIT;

	assert_int_equal(instruction_parse("COPY <<E /x\na\nE", "ONBUILD of 'b'", &in, &err), 0);
	dump_instruction(&out, in);
	assert_string_equal(str_text(&out), "0-0 COPY args[<<E][/x] <<E(a\n)@1");
	instruction_free(in);
	assert_true(instruction_parse("RUM x", "ONBUILD of 'b'", &in, &err) < 0);
	assert_string_equal(err.msg,
			    "ONBUILD of 'b': unknown instruction 'RUM'; did you mean RUN?");
	err_done(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),  cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_stages),
		cmocka_unit_test(test_mounts), cmocka_unit_test(test_trigger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
