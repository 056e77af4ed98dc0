// W3C Trace Context: the two headers, and the line that keeps them.

#include "base/trace_context.h"
#include "fuzz.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  const auto end = input.find('\n');
  const auto state = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  base::trace_from_text(input);
  const auto trace = base::parse_trace(input.substr(0, end), state);
  if (!trace) return;
  const auto again = base::parse_trace(trace->traceparent(), trace->state);
  fuzz::must(
      again && again->trace_id == trace->trace_id && again->span_id == trace->span_id && again->flags == trace->flags,
      "a trace survives being printed and read");
  const auto kept = base::trace_from_text(trace->text());
  fuzz::must(kept && kept->text() == trace->text(), "a trace survives being kept");
  const auto caused = trace->caused("seed");
  fuzz::must(caused.trace_id == trace->trace_id && caused.span_id != trace->span_id,
             "what is caused belongs to the trace");
}
