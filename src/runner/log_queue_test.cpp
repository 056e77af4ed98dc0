#include "runner/log_queue.h"

#include <gtest/gtest.h>

namespace slipway::runner {
namespace {

using std::chrono::milliseconds;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);

fleet::LogLine line(std::string output) { return {.stage = "Planning infrastructure", .output = std::move(output)}; }

std::vector<std::string> outputs(const LogQueue& queue) {
  std::vector<std::string> all;
  for (const auto& one : queue.batch().lines) all.push_back(one.output);
  return all;
}

// RUN-10
TEST(LogQueue, ALineWaitsForOthersNoLongerThanTheDebounce) {
  LogQueue queue({}, 0);
  EXPECT_FALSE(queue.due());
  queue.push(line("a"), kNow);
  queue.push(line("b"), kNow + milliseconds(200));
  EXPECT_EQ(queue.due(), kNow + milliseconds(250));
}

// The known daemon never gets there: each line puts the flush off again.
TEST(LogQueue, AHundredLinesAreDueAtOnce) {
  LogQueue queue({}, 0);
  for (int i = 0; i < 99; ++i) queue.push(line("x"), kNow);
  EXPECT_EQ(queue.due(), kNow + milliseconds(250));
  queue.push(line("x"), kNow);
  EXPECT_EQ(queue.due(), kNow);
}

TEST(LogQueue, LinesStayUntilTheyAreConfirmed) {
  LogQueue queue({}, 7);
  for (const auto* text : {"a", "b", "c"}) queue.push(line(text), kNow);
  EXPECT_EQ(queue.batch().first, 7);
  EXPECT_EQ(outputs(queue), (std::vector<std::string>{"a", "b", "c"}));
  queue.acknowledge(9);
  EXPECT_EQ(queue.batch().first, 9);
  EXPECT_EQ(outputs(queue), std::vector<std::string>{"c"});
  queue.acknowledge(8);  // an answer that came late
  EXPECT_EQ(outputs(queue), std::vector<std::string>{"c"});
}

TEST(LogQueue, AFullQueueWantsMoreOnlyWhenHalfOfItIsFree) {
  LogQueue queue({.lines_max = 10}, 0);
  for (int i = 0; i < 9; ++i) queue.push(line("x"), kNow);
  EXPECT_TRUE(queue.want_more());
  queue.push(line("x"), kNow);
  EXPECT_FALSE(queue.want_more());
  queue.acknowledge(4);
  EXPECT_FALSE(queue.want_more());
  queue.acknowledge(5);
  EXPECT_TRUE(queue.want_more());
}

TEST(LogQueue, FewHugeLinesFillItToo) {
  LogQueue queue({.bytes_max = 10'000}, 0);
  queue.push(line(std::string(9'990, 'x')), kNow);
  EXPECT_FALSE(queue.want_more());
}

TEST(LogQueue, ALongLineBecomesSeveralAndNoCharacterIsCut) {
  LogQueue queue({.line_bytes = 5}, 0);
  queue.push(line("abcd\u00e9fgh"), kNow);  // é is two bytes, of which the fifth is the first
  EXPECT_EQ(outputs(queue), (std::vector<std::string>{"abcd", "\u00e9fgh"}));
}

TEST(LogQueue, LineBreaksMakeLinesAndTheLastOneMakesNone) {
  LogQueue queue({}, 0);
  queue.push(line("a\r\n\nb\n"), kNow);
  EXPECT_EQ(outputs(queue), (std::vector<std::string>{"a", "", "b"}));
  queue.acknowledge(3);
  queue.push(line(""), kNow);
  EXPECT_EQ(outputs(queue), std::vector<std::string>{""});
}

TEST(LogQueue, BatchesAreBoundedAndHaveAtLeastOneLine) {
  LogQueue queue({.batch_lines = 3, .batch_bytes = 2'000}, 0);
  for (int i = 0; i < 5; ++i) queue.push(line("x"), kNow);
  EXPECT_EQ(queue.batch().lines.size(), 3u);
  queue.acknowledge(5);
  queue.push(line(std::string(3'000, 'x')), kNow);
  queue.push(line("y"), kNow);
  EXPECT_EQ(queue.batch().lines.size(), 1u);
}

TEST(LogQueue, WhatIsNoUtf8IsReplaced) {
  EXPECT_EQ(clean_utf8("ok \xff\xc3 end"), "ok \uFFFD\uFFFD end");
  EXPECT_EQ(clean_utf8(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(clean_utf8("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(clean_utf8("cut \xf0\x9f"), "cut \uFFFD\uFFFD");
}

}  // namespace
}  // namespace slipway::runner
