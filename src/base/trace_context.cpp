#include "base/trace_context.h"

#include <algorithm>

#include "base/digest.h"

namespace slipway::base {
namespace {

constexpr std::size_t kVersionLength = 2, kTraceLength = 32, kSpanLength = 16, kFlagsLength = 2;
constexpr std::size_t kLength = kVersionLength + 1 + kTraceLength + 1 + kSpanLength + 1 + kFlagsLength;
constexpr std::size_t kStateMax = 512;  // what section 3.3.1.5 asks everyone to carry

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) { return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos; }

bool is_state(std::string_view text) {
  return text.size() <= kStateMax && std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

std::string TraceContext::traceparent() const { return "00-" + trace_id + '-' + span_id + '-' + flags; }

std::string TraceContext::text() const { return state.empty() ? traceparent() : traceparent() + ' ' + state; }

TraceContext TraceContext::caused(std::string_view seed) const {
  TraceContext caused = *this;
  caused.span_id = sha256_hex(seed).substr(0, kSpanLength);
  return caused;
}

std::optional<TraceContext> parse_trace(std::string_view traceparent, std::string_view tracestate) {
  if (traceparent.size() < kLength) return std::nullopt;
  const auto version = traceparent.substr(0, kVersionLength);
  // A later version may go on after a dash.
  const bool length_fits =
      traceparent.size() == kLength || (version != "00" && traceparent.size() > kLength && traceparent[kLength] == '-');
  if (!is_hex(version) || version == "ff" || !length_fits) return std::nullopt;
  TraceContext trace;
  std::size_t at = kVersionLength;
  const auto take = [&](std::size_t length) {
    const bool dashed = traceparent[at] == '-';
    const auto part = traceparent.substr(at + 1, length);
    at += 1 + length;
    return dashed ? part : std::string_view("-");
  };
  trace.trace_id = take(kTraceLength);
  trace.span_id = take(kSpanLength);
  trace.flags = take(kFlagsLength);
  if (!is_id(trace.trace_id) || !is_id(trace.span_id) || !is_hex(trace.flags)) return std::nullopt;
  if (is_state(tracestate)) trace.state = tracestate;
  return trace;
}

std::optional<TraceContext> trace_from_text(std::string_view text) {
  const auto space = text.find(' ');
  return parse_trace(text.substr(0, space), space == std::string_view::npos ? "" : text.substr(space + 1));
}

TraceContext trace_of(std::string_view seed) {
  const auto hash = sha256_hex(seed);
  return {.trace_id = hash.substr(0, kTraceLength), .span_id = hash.substr(kTraceLength, kSpanLength), .state = {}};
}

}  // namespace slipway::base
