/*
 * Command templates: one text from which many commands are made.
 *
 *	./solve --seed {seed:1..20} --rate {0.1,0.01}
 *
 *	{A..B} {A..B..S}   whole numbers from A to B, S apart; downwards where B is less. With a leading zero on either
 *	                   side ({01..10}) all are padded to the wider one
 *	{a,b,…}            two items or more of [A-Za-z0-9._+-]
 *	{NAME:…}           the same with a name; NAME is [A-Za-z_][A-Za-z0-9_]*, at most 32
 *
 * Every other brace stays byte for byte, "${…}" and '{print $1, $2}' among them; but a brace that holds ".." and is no
 * range is a fault, told with its position. A parameter without a name has that of the option before it ("--seed {…}",
 * "seed={…}"), else p1, p2, … by its place.
 *
 * Several make the product; the last one moves fastest. At most TEMPLATE_MAX in all.
 */
#ifndef NAP_MODEL_TEMPLATE_H
#define NAP_MODEL_TEMPLATE_H

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

#define TEMPLATE_MAX	    1000
#define TEMPLATE_MAX_PARAMS 16

struct template_param {
	const char *name;
	size_t from, to;     /* of the brace in the text */
	const char **values; /* as they are put in */
	int64_t n;
};

struct template
{
	const char *text;
	struct template_param params[TEMPLATE_MAX_PARAMS];
	size_t params_n;
	int64_t count; /* how many commands; 1 without parameters */
};

/* Errors: ERR_INVALID "template_invalid", "too_many_members". literal: no brace means anything. */
NODISCARD bool template_parse(
	struct arena *a, const char *text, bool literal, struct template *ret, struct err *e);

/* command i of 0..count-1; its parameters, in the template's order: a new object */
const char *template_expand(
	struct arena *a, const struct template *t, int64_t i, json_t **ret_params);

/* NAP_PARAM_SEED of "seed": what a member's processes find the parameter by */
const char *template_variable(struct arena *a, const char *name);

#endif
