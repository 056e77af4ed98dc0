#include "base/trace_context.h"

#include <gtest/gtest.h>

namespace slipway::base {
namespace {

constexpr std::string_view kExample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// WF-49. The valid and invalid ones of the recommendation's examples.
TEST(TraceContext, IsReadAndWrittenAsTheRecommendationSays) {
  const auto trace = parse_trace(kExample, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->span_id, "b7ad6b7169203331");
  EXPECT_EQ(trace->traceparent(), kExample);
  EXPECT_EQ(trace->text(), std::string(kExample) + " congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  EXPECT_EQ(trace_from_text(trace->text())->state, trace->state);
}

TEST(TraceContext, WhatIsNoneIsRefused) {
  for (const std::string_view wrong : {"", "00", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                       "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                       "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                       "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                       "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
                                       "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more"})
    EXPECT_FALSE(parse_trace(wrong)) << wrong;
}

TEST(TraceContext, ALaterVersionIsReadAsFarAsItIsKnown) {
  const auto trace = parse_trace("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->traceparent(), kExample);
}

TEST(TraceContext, WhatItCausesIsOfTheSameTraceAndAlwaysTheSameSpan) {
  const auto trace = *parse_trace(kExample);
  const auto step = trace.caused("run_1/create-machine");
  EXPECT_EQ(step.trace_id, trace.trace_id);
  EXPECT_NE(step.span_id, trace.span_id);
  EXPECT_EQ(step.span_id, trace.caused("run_1/create-machine").span_id);
  EXPECT_TRUE(parse_trace(step.traceparent()));
  EXPECT_TRUE(parse_trace(trace_of("run_1").traceparent()));
}

}  // namespace
}  // namespace slipway::base
