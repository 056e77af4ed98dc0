#pragma once
// W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/): which trace a piece of work belongs to, carried
// from a request into its run, the run's steps, and out to what they call (WF-49).

#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

struct TraceContext {
  std::string trace_id;      // 32 lower-case hex digits, not all zero
  std::string span_id;       // 16; of who caused this
  std::string flags = "01";  // 2: the lowest bit says that somebody keeps the trace
  std::string state;         // `tracestate`, as it came

  std::string traceparent() const;
  // As one line, for a column: `traceparent`, and `tracestate` after a space.
  std::string text() const;
  // What is caused by this one: the same trace, and a span named by `seed`, always the same for the same seed.
  TraceContext caused(std::string_view seed) const;
};

// The headers' values. Empty for a traceparent that is none; a later version is read as far as it is known, and a
// tracestate that is none is left out.
std::optional<TraceContext> parse_trace(std::string_view traceparent, std::string_view tracestate = {});
std::optional<TraceContext> trace_from_text(std::string_view text);
// A trace that begins here, always the same for the same seed.
TraceContext trace_of(std::string_view seed);

}  // namespace slipway::base
