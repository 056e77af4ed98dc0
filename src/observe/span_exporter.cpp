#include "observe/span_exporter.h"

#include <algorithm>
#include <charconv>

namespace slipway::observe {
namespace {

using Attributes = std::vector<std::pair<std::string, std::string>>;

json::Array attributes_of(const Attributes& attributes) {
  json::Array array;
  for (const auto& [name, value] : attributes)
    array.push_back(json::Object{{"key", name}, {"value", json::Object{{"stringValue", value}}}});
  return array;
}

// W3C Trace Context, section 3.2.2.5: two hex digits, of which the last bit says that the trace is sampled.
bool is_sampled(const base::TraceContext& context) {
  const auto& text = context.flags;
  unsigned flags = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), flags, 16);
  return failure == std::errc() && end == text.data() + text.size() && (flags & 1) != 0;
}

// 64-bit numbers are text in this encoding.
std::string nanoseconds(base::Instant at) { return std::to_string(base::to_unix_ms(at)) + "000000"; }

json::Object span_object(const Span& span) {
  json::Object object{{"traceId", span.context.trace_id},
                      {"spanId", span.context.span_id},
                      {"name", span.name},
                      {"kind", int(span.kind)},
                      {"startTimeUnixNano", nanoseconds(span.started_at)},
                      {"endTimeUnixNano", nanoseconds(std::max(span.started_at, span.ended_at))},
                      {"attributes", attributes_of(span.attributes)}};
  if (!span.parent_span_id.empty()) object["parentSpanId"] = span.parent_span_id;
  if (!span.context.state.empty()) object["traceState"] = span.context.state;
  constexpr int kStatusError = 2;
  if (span.error) object["status"] = json::Object{{"code", kStatusError}, {"message", *span.error}};
  return object;
}

std::string body_of(const Attributes& resource, const std::vector<Span>& spans) {
  json::Array objects;
  for (const auto& span : spans) objects.push_back(span_object(span));
  const json::Object scope{{"scope", json::Object{{"name", "slipway"}}}, {"spans", std::move(objects)}};
  const json::Object of_resource{{"resource", json::Object{{"attributes", attributes_of(resource)}}},
                                 {"scopeSpans", json::Array{scope}}};
  return json::print_value(json::Object{{"resourceSpans", json::Array{of_resource}}});
}

}  // namespace

struct SpanExporter::State {
  mutable std::mutex mutex;
  std::vector<Span> waiting;  // guarded by mutex, as all of it
  bool under_way = false;
  std::uint64_t exported = 0;
  std::uint64_t dropped = 0;
};

SpanExporter::SpanExporter(Attributes resource, Send send)
    : resource_(std::move(resource)), send_(std::move(send)), state_(std::make_shared<State>()) {}

void SpanExporter::add(Span span) {
  if (!is_sampled(span.context)) return;
  const std::lock_guard lock(state_->mutex);
  if (state_->waiting.size() >= kSpansWaitingMax) {
    ++state_->dropped;
    return;
  }
  state_->waiting.push_back(std::move(span));
}

void SpanExporter::flush() {
  std::vector<Span> batch;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->under_way || state_->waiting.empty()) return;
    const auto count = std::min(kSpansInBatch, state_->waiting.size());
    const auto end = state_->waiting.begin() + std::ptrdiff_t(count);
    batch.assign(std::make_move_iterator(state_->waiting.begin()), std::make_move_iterator(end));
    state_->waiting.erase(state_->waiting.begin(), end);
    state_->under_way = true;
  }
  send_(body_of(resource_, batch), [state = state_, count = batch.size()](bool ok) {
    const std::lock_guard lock(state->mutex);
    state->under_way = false;
    (ok ? state->exported : state->dropped) += count;
  });
}

SpanExporter::Statistics SpanExporter::statistics() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->exported, state_->dropped, state_->waiting.size()};
}

}  // namespace slipway::observe
