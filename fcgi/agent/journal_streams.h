/*
 * What a reader sees of its journal. They stand at other places when the generation has changed: streams came or went.
 */
#ifndef NAP_AGENT_JOURNAL_STREAMS_H
#define NAP_AGENT_JOURNAL_STREAMS_H

#include "agent/log_stream.h"

struct journal;

unsigned int journal_generation(const struct journal *j);
size_t journal_streams(const struct journal *j);
struct log_stream *journal_stream(const struct journal *j, size_t i);

#endif
