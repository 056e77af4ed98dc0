#include "observe/span_exporter.h"

#include <gtest/gtest.h>

namespace slipway::observe {
namespace {

struct Collector {
  std::vector<std::string> bodies;
  std::vector<SpanExporter::Sent> pending;
  SpanExporter::Send send() {
    return [this](std::string body, SpanExporter::Sent sent) {
      bodies.push_back(std::move(body));
      pending.push_back(std::move(sent));
    };
  }
};

Span make_span(std::string_view name) {
  const auto parent = *base::parse_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  return {.context = parent.caused(name),
          .parent_span_id = parent.span_id,
          .name = std::string(name),
          .kind = SpanKind::server,
          .started_at = base::from_unix_ms(1'000),
          .ended_at = base::from_unix_ms(1'500),
          .attributes = {{"http.route", "/v1/x"}},
          .error = {}};
}

// RUN-18: the encoding that collectors read: hex ids, 64-bit times as text.
TEST(SpanExporter, SpansAreSentAsOtlpJson) {
  Collector collector;
  SpanExporter exporter({{"service.name", "hub"}}, collector.send());
  auto span = make_span("POST /v1/x");
  span.error = "HTTP 500";
  exporter.add(span);
  exporter.flush();
  ASSERT_EQ(collector.bodies.size(), 1u);
  const auto body = json::parse_value(collector.bodies.front());
  EXPECT_EQ(body.at_pointer("/resourceSpans/0/resource/attributes/0/value/stringValue").as_string(), "hub");
  const auto& sent = body.at_pointer("/resourceSpans/0/scopeSpans/0/spans/0");
  EXPECT_EQ(sent.at("traceId").as_string(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(sent.at("parentSpanId").as_string(), "b7ad6b7169203331");
  EXPECT_EQ(sent.at("spanId").as_string().size(), 16u);
  EXPECT_EQ(sent.at("startTimeUnixNano").as_string(), "1000000000");
  EXPECT_EQ(sent.at("endTimeUnixNano").as_string(), "1500000000");
  EXPECT_EQ(sent.at("kind").as_int64(), 2);
  EXPECT_EQ(sent.at_pointer("/status/code").as_int64(), 2);
}

TEST(SpanExporter, OneBatchIsUnderWayAtATimeAndWhatIsRefusedIsCounted) {
  Collector collector;
  SpanExporter exporter({}, collector.send());
  exporter.add(make_span("a"));
  exporter.flush();
  exporter.add(make_span("b"));
  exporter.flush();
  EXPECT_EQ(collector.bodies.size(), 1u);
  collector.pending.front()(false);
  exporter.flush();
  ASSERT_EQ(collector.bodies.size(), 2u);
  collector.pending.back()(true);
  EXPECT_EQ(exporter.statistics().dropped, 1u);
  EXPECT_EQ(exporter.statistics().exported, 1u);
}

TEST(SpanExporter, WhatNobodyTakesIsDroppedAboveTheBound) {
  Collector collector;
  SpanExporter exporter({}, collector.send());
  for (std::size_t i = 0; i < kSpansWaitingMax + 5; ++i) exporter.add(make_span("a"));
  EXPECT_EQ(exporter.statistics().waiting, kSpansWaitingMax);
  EXPECT_EQ(exporter.statistics().dropped, 5u);
}

TEST(SpanExporter, ATraceThatNobodyKeepsIsNotSent) {
  Collector collector;
  SpanExporter exporter({}, collector.send());
  auto span = make_span("a");
  span.context.flags = "00";
  exporter.add(span);
  exporter.flush();
  EXPECT_TRUE(collector.bodies.empty());
}

TEST(SpanExporter, OfAllFlagsTheLastBitAloneSaysThatATraceIsKept) {
  Collector collector;
  SpanExporter exporter({}, collector.send());
  auto span = make_span("a");
  for (const char* flags : {"01", "03", "0b", "ff"}) {
    span.context.flags = flags;
    exporter.add(span);
  }
  EXPECT_EQ(exporter.statistics().waiting, 4u);
  for (const char* flags : {"00", "02", "0a", "fe"}) {
    span.context.flags = flags;
    exporter.add(span);
  }
  EXPECT_EQ(exporter.statistics().waiting, 4u);
}

}  // namespace
}  // namespace slipway::observe
