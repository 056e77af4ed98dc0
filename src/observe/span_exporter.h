#pragma once
// Spans on their way to a collector: OTLP over HTTP in its JSON encoding, version 1
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). Who sends them is injected: this room knows no HTTP.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "base/trace_context.h"

namespace slipway::observe {

enum class SpanKind { internal = 1, server = 2, client = 3 };

struct Span {
  base::TraceContext context;  // its own ids
  std::string parent_span_id;  // empty: the trace begins with it
  std::string name;
  SpanKind kind = SpanKind::internal;
  base::Instant started_at;
  base::Instant ended_at;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::optional<std::string> error;  // what it failed with
};

// Thread-safe. Spans wait until `flush`, which its owner calls now and then; those beyond the bound, and those of
// batches that could not be sent, are dropped and counted: watching must not hold up what is watched.
class SpanExporter {
 public:
  using Sent = std::function<void(bool ok)>;
  // Sends a body of `application/json`; `sent` may be called on any thread.
  using Send = std::function<void(std::string body, Sent sent)>;
  SpanExporter(std::vector<std::pair<std::string, std::string>> resource, Send send);

  // Only if its trace is sampled.
  void add(Span span);
  // One batch at a time is under way.
  void flush();

  struct Statistics {
    std::uint64_t exported = 0, dropped = 0;
    std::size_t waiting = 0;
  };
  Statistics statistics() const;

 private:
  struct State;
  const std::vector<std::pair<std::string, std::string>> resource_;
  const Send send_;
  const std::shared_ptr<State> state_;
};

inline constexpr std::size_t kSpansWaitingMax = 20'000;
inline constexpr std::size_t kSpansInBatch = 512;

}  // namespace slipway::observe
