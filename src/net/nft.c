#include "net/nft.h"

#include "base/fs.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: says over the pipe what is wrong; nothing when all is well. */
static _Noreturn void run_text(const char *text, int tell)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *why = "it cannot be used";
	int r = -1;
	if (ctx) {
		(void)nft_ctx_buffer_error(ctx);
		(void)nft_ctx_buffer_output(ctx);
		r = nft_run_cmd_from_buffer(ctx, text);
		why = nft_ctx_get_error_buffer(ctx);
	}
	/* The first line says what; the following ones repeat the command. */
	if (r != 0 && why)
		(void)fs_write_all(tell, why, strcspn(why, "\n"));
	_exit(r != 0);
}

int nft__start(const char *text, struct nft_run *ret, struct err *err)
{
	int tell[2];
	if (pipe2(tell, O_CLOEXEC) < 0)
		return err_sys(err, errno, "make a pipe");
	pid_t pid = fork();
	if (pid == 0)
		run_text(text, tell[1]);
	int no = errno;
	fd_close(tell[1]);
	if (pid < 0) {
		fd_close(tell[0]);
		return err_sys(err, no, "start a process for nftables");
	}
	*ret = (struct nft_run){ .pid = pid, .listen = tell[0] };
	return 0;
}

int nft__finish(struct nft_run *run, struct err *err)
{
	enum { WHY_MAX = 4096 };
	cleanup_str struct str why = STR_INIT;
	cleanup_err struct err ignored = ERR_INIT;
	int status = 0;
	(void)fs_read_fd(run->listen, "nftables", WHY_MAX, &why, &ignored); /* the status counts */
	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(run->listen);
	run->pid = 0;
	if (status == 0)
		return 0;
	return err_new(err, ERR_SYSTEM, EIO, "set up nftables: %s", str_text(&why));
}

int nft__run(struct net *net, const char *text, struct err *err)
{
	struct nft_run run;
	(void)net; /* the table's name is in the text */
	int r = nft__start(text, &run, err);
	return r < 0 ? r : nft__finish(&run, err);
}

/* --- messages --- */

static struct nlmsghdr *begin_message(struct netlink *nl, uint16_t type, uint16_t flags, int family)
{
	void *head = NULL;
	struct nlmsghdr *m = netlink__begin(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
					    sizeof(struct nfgenmsg), &head);
	((struct nfgenmsg *)head)->nfgen_family = (uint8_t)family;
	return m;
}

static void batch_mark(struct netlink *nl, uint16_t type)
{
	void *head = NULL;
	netlink__begin(nl, type, 0, sizeof(struct nfgenmsg), &head);
	((struct nfgenmsg *)head)->res_id = htons(NFNL_SUBSYS_NFTABLES);
	netlink__end(nl);
}

enum { PART_MAX = NETLINK_BATCH_MAX / 2 };

int nft__begin(struct net *net, struct err *err)
{
	int r = net__nf(net, err);
	if (r == 0) {
		netlink__drop(&net->nf);
		batch_mark(&net->nf, NFNL_MSG_BATCH_BEGIN);
	}
	net->part = 0;
	return r;
}

static int commit_part(struct net *net)
{
	/* Only the last message is acknowledged: the answers to thousands would not fit into the
	 * socket. Those that fail answer anyway. */
	netlink__ask_ack(&net->nf);
	batch_mark(&net->nf, NFNL_MSG_BATCH_END);
	return netlink__commit(&net->nf, NULL, 0);
}

/* Thousands of ports, each a ring of elements, are more than one transaction can be. */
static void make_room(struct net *net)
{
	if (net->nf.len < PART_MAX)
		return;
	if (net->part == 0)
		net->part = commit_part(net);
	netlink__drop(&net->nf);
	batch_mark(&net->nf, NFNL_MSG_BATCH_BEGIN);
}

static void put_value(struct nlmsghdr *m, uint16_t type, const void *bytes, size_t len)
{
	struct nlattr *value = mnl_attr_nest_start(m, type);
	mnl_attr_put(m, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(m, value);
}

/* Begins a message about elements of a set; returns its open list. */
static struct nlattr *open_list(struct netlink *nl, uint16_t type, const char *table,
				const char *set)
{
	struct nlmsghdr *m = begin_message(nl, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
					   NFPROTO_INET);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	return mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
}

struct part {
	uint16_t type; /* NFTA_SET_ELEM_KEY, _KEY_END, _DATA */
	const void *bytes;
	size_t len;
};

static void put_element(struct net *net, enum nft_op op, const char *set, const struct part *parts,
			size_t n)
{
	struct netlink *nl = &net->nf;
	make_room(net);
	struct nlattr *list = open_list(nl, op == NFT_ADD ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
					net->table, set);
	struct nlmsghdr *m = nl->last;
	struct nlattr *element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	for (size_t i = 0; i < n; i++)
		if (parts[i].len)
			put_value(m, parts[i].type, parts[i].bytes, parts[i].len);
	mnl_attr_nest_end(m, element);
	mnl_attr_nest_end(m, list);
	netlink__end(nl);
}

void nft__element(struct net *net, enum nft_op op, const char *set, const void *key, size_t key_len,
		  const void *data, size_t data_len)
{
	const struct part parts[] = { { NFTA_SET_ELEM_KEY, key, key_len },
				      { NFTA_SET_ELEM_DATA, data, data_len } };
	put_element(net, op, set, parts, ARRAY_SIZE(parts));
}

void nft__range(struct net *net, enum nft_op op, const char *set, const void *first,
		const void *last, size_t key_len)
{
	const struct part parts[] = { { NFTA_SET_ELEM_KEY, first, key_len },
				      { NFTA_SET_ELEM_KEY_END, last, key_len } };
	put_element(net, op, set, parts, ARRAY_SIZE(parts));
}

int nft__commit(struct net *net)
{
	if (net->part == 0)
		return commit_part(net);
	netlink__drop(&net->nf);
	return net->part;
}

/* --- questions --- */

bool nft__has(struct net *net, const char *set, const void *key, size_t key_len)
{
	struct netlink *nl = &net->nf;
	struct nlattr *list = open_list(nl, NFT_MSG_GETSETELEM, net->table, set);
	struct nlattr *element = mnl_attr_nest_start(nl->last, NFTA_LIST_ELEM);
	put_value(nl->last, NFTA_SET_ELEM_KEY, key, key_len);
	mnl_attr_nest_end(nl->last, element);
	mnl_attr_nest_end(nl->last, list);
	netlink__end(nl);
	return netlink__query(nl, false, NULL, NULL) == 0;
}

static int count_elements(const struct nlmsghdr *m, void *data)
{
	const struct nlattr *attr = NULL, *element = NULL;
	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr)
		{
			(*(int *)data)++;
		}
	}
	return 0;
}

int nft__count(struct net *net, const char *set)
{
	struct netlink *nl = &net->nf;
	int count = 0;
	struct nlmsghdr *m = begin_message(nl, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, net->table);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	netlink__end(nl);
	int r = netlink__query(nl, true, count_elements, &count);
	return r < 0 ? r : count;
}

bool nft__chain(struct net *net, const char *chain)
{
	struct netlink *nl = &net->nf;
	struct nlmsghdr *m = begin_message(nl, NFT_MSG_GETCHAIN, 0, NFPROTO_INET);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, net->table);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, chain);
	netlink__end(nl);
	return netlink__query(nl, false, NULL, NULL) == 0;
}

bool nft__table(struct net *net)
{
	struct netlink *nl = &net->nf;
	struct nlmsghdr *m = begin_message(nl, NFT_MSG_GETTABLE, 0, NFPROTO_INET);
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, net->table);
	netlink__end(nl);
	return netlink__query(nl, false, NULL, NULL) == 0;
}

int nft__drop_table(struct net *net)
{
	struct netlink *nl = &net->nf;
	batch_mark(nl, NFNL_MSG_BATCH_BEGIN);
	struct nlmsghdr *m = begin_message(nl, NFT_MSG_DELTABLE, 0, NFPROTO_INET);
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, net->table);
	netlink__end(nl);
	int r = nft__commit(net);
	return r == -ENOENT ? 0 : r;
}

static int see_chain(const struct nlmsghdr *m, void *data)
{
	struct nft_places *places = data;
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(m);
	struct nft_place *p = vec_add(&places->list);
	p->family = head->nfgen_family;
	bool forward = false, drop = false;
	const struct nlattr *attr = NULL, *hook = NULL;
	mnl_attr_for_each(attr, m, sizeof(*head))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			snprintf(p->table, sizeof(p->table), "%s", mnl_attr_get_str(attr));
			break;
		case NFTA_CHAIN_NAME:
			snprintf(p->chain, sizeof(p->chain), "%s", mnl_attr_get_str(attr));
			break;
		case NFTA_CHAIN_POLICY: drop = ntohl(mnl_attr_get_u32(attr)) == NF_DROP; break;
		case NFTA_CHAIN_HOOK:
			mnl_attr_for_each_nested(hook, attr)
			{
				if (mnl_attr_get_type(hook) == NFTA_HOOK_HOOKNUM)
					forward = ntohl(mnl_attr_get_u32(hook)) == NF_INET_FORWARD;
			}
			break;
		default: break;
		}
	}
	bool ip =
		p->family == NFPROTO_IPV4 || p->family == NFPROTO_IPV6 || p->family == NFPROTO_INET;
	p->forward_drop = ip && forward && drop;
	return 0;
}

int nft__chains(struct net *net, struct nft_places *ret, struct err *err)
{
	int r = net__nf(net, err);
	if (r < 0)
		return r;
	begin_message(&net->nf, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_UNSPEC);
	netlink__end(&net->nf);
	r = netlink__query(&net->nf, true, see_chain, ret);
	return r < 0 ? err_sys(err, -r, "list the nftables chains") : 0;
}

struct rule_search {
	const char *comment;
	struct nft_handles *found;
};

static int see_rule(const struct nlmsghdr *m, void *data)
{
	struct rule_search *search = data;
	uint64_t handle = 0;
	bool ours = false;
	const struct nlattr *attr = NULL;
	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_HANDLE) {
			handle = be64toh(mnl_attr_get_u64(attr));
		} else if (mnl_attr_get_type(attr) == NFTA_RULE_USERDATA) {
			/* Type, length, value: the comment with its terminator. */
			ours = memmem(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
				      search->comment, strlen(search->comment) + 1) != NULL;
		}
	}
	if (ours)
		vec_push(&search->found->list, handle);
	return 0;
}

int nft__rules_find(struct net *net, const struct nft_place *place, const char *comment,
		    struct nft_handles *ret)
{
	struct rule_search search = { .comment = comment, .found = ret };
	struct nlmsghdr *m = begin_message(&net->nf, NFT_MSG_GETRULE, NLM_F_DUMP, place->family);
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, place->table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, place->chain);
	netlink__end(&net->nf);
	return netlink__query(&net->nf, true, see_rule, &search);
}

/* --- single rules --- */

static struct nlmsghdr *begin_rule(struct net *net, uint16_t type, const struct nft_place *place)
{
	make_room(net);
	struct nlmsghdr *m = begin_message(
		&net->nf, type, type == NFT_MSG_NEWRULE ? NLM_F_CREATE : 0, place->family);
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, place->table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, place->chain);
	return m;
}

struct expression {
	struct nlattr *element, *data;
};

static struct expression open_expression(struct nlmsghdr *m, const char *name)
{
	struct expression e = { .element = mnl_attr_nest_start(m, NFTA_LIST_ELEM) };
	mnl_attr_put_strz(m, NFTA_EXPR_NAME, name);
	e.data = mnl_attr_nest_start(m, NFTA_EXPR_DATA);
	return e;
}

static void close_expression(struct nlmsghdr *m, const struct expression *e)
{
	mnl_attr_nest_end(m, e->data);
	mnl_attr_nest_end(m, e->element);
}

/* An interface's name is compared with its padding, the beginning of a name without. */
static void put_interface(struct nlmsghdr *m, uint32_t key, const char *name)
{
	char padded[IFNAMSIZ] = "";
	size_t len = strlen(name);
	bool prefix = len > 0 && name[len - 1] == '*';
	snprintf(padded, sizeof(padded), "%.*s", (int)(prefix ? len - 1 : len), name);
	struct expression meta = open_expression(m, "meta");
	mnl_attr_put_u32(m, NFTA_META_KEY, htonl(key));
	mnl_attr_put_u32(m, NFTA_META_DREG, htonl(NFT_REG_1));
	close_expression(m, &meta);
	struct expression cmp = open_expression(m, "cmp");
	mnl_attr_put_u32(m, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(m, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
	put_value(m, NFTA_CMP_DATA, padded, prefix ? strlen(padded) : sizeof(padded));
	close_expression(m, &cmp);
}

static void put_verdict(struct nlmsghdr *m, int verdict)
{
	struct expression immediate = open_expression(m, "immediate");
	mnl_attr_put_u32(m, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	struct nlattr *data = mnl_attr_nest_start(m, NFTA_IMMEDIATE_DATA);
	struct nlattr *code = mnl_attr_nest_start(m, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(m, NFTA_VERDICT_CODE, htonl((uint32_t)verdict));
	mnl_attr_nest_end(m, code);
	mnl_attr_nest_end(m, data);
	close_expression(m, &immediate);
}

/* Where `nft` looks for a comment: type 0, length, the text with its terminator. */
static void put_comment(struct nlmsghdr *m, const char *comment)
{
	enum { COMMENT_MAX = 128 };
	char tlv[2 + COMMENT_MAX] = { 0 };
	size_t len = strlen(comment) + 1;
	assert(len <= COMMENT_MAX);
	tlv[1] = (char)len;
	memcpy(tlv + 2, comment, len);
	mnl_attr_put(m, NFTA_RULE_USERDATA, 2 + len, tlv);
}

void nft__rule_insert(struct net *net, const struct nft_place *place, const struct nft_rule *rule)
{
	struct nlmsghdr *m = begin_rule(net, NFT_MSG_NEWRULE, place);
	struct nlattr *list = mnl_attr_nest_start(m, NFTA_RULE_EXPRESSIONS);
	if (rule->iif)
		put_interface(m, NFT_META_IIFNAME, rule->iif);
	if (rule->oif)
		put_interface(m, NFT_META_OIFNAME, rule->oif);
	struct expression counter = open_expression(m, "counter");
	close_expression(m, &counter);
	put_verdict(m, rule->verdict);
	mnl_attr_nest_end(m, list);
	put_comment(m, rule->comment);
	netlink__end(&net->nf);
}

void nft__rule_delete(struct net *net, const struct nft_place *place, uint64_t handle)
{
	struct nlmsghdr *m = begin_rule(net, NFT_MSG_DELRULE, place);
	mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(handle));
	netlink__end(&net->nf);
}
