#include "net/http.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "net/sse.h"
#include "net/static_files.h"

namespace slipway::net {
namespace {

Request request_for(const std::string& target, Method method = Method::get) {
  Request request;
  request.method = method;
  set_target(request, target);
  return request;
}

TEST(Headers, CompareNamesWithoutCaseAndKeepTheirOrder) {
  Headers headers{{"Accept", "a"}, {"X-One", "1"}};
  headers.add("accept", "b");
  EXPECT_EQ(headers.get("ACCEPT"), "a");
  headers.set("Accept", "c");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("accept"), "c");
  EXPECT_FALSE(headers.get("missing"));
}

TEST(Headers, FindTokensInLists) {
  const Headers headers{{"Connection", "keep-alive, Upgrade"}};
  EXPECT_TRUE(headers.contains_token("connection", "upgrade"));
  EXPECT_FALSE(headers.contains_token("connection", "up"));
}

TEST(Headers, RefuseWhatWouldBreakOutOfTheHead) {
  Headers headers;
  EXPECT_THROW(headers.set("Location", "/a\r\nSet-Cookie: x=1"), base::Error);
  EXPECT_THROW(headers.add("X Y", "1"), base::Error);
  EXPECT_THROW(headers.add("", "1"), base::Error);
}

TEST(Request, DecodesPathSegmentsAndQuery) {
  const Request request = request_for("/a%2Fb/c%20d/?q=1%2B1&empty&space=a+b&q=2");
  EXPECT_EQ(request.path, "/a/b/c d/");
  EXPECT_EQ(request.segments, (std::vector<std::string>{"a/b", "c d", ""}));
  EXPECT_EQ(request.query_value("q"), "1+1");
  EXPECT_EQ(request.query_value("empty"), "");
  EXPECT_EQ(request.query_value("space"), "a b");
  EXPECT_FALSE(request.query_value("none"));
  EXPECT_TRUE(request_for("/").segments.empty());
}

TEST(Request, RefusesTargetsThatAreNotClean) {
  for (const char* target :
       {"", "relative", "/%", "/%4", "/%gg", "/%80", "/%ed%a0%80", "/%c0%af", "/%0a", "/#x", "/?a=%f"})
    EXPECT_THROW(request_for(target), base::Error) << target;
}

TEST(PercentEncoding, GoesBothWays) {
  EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
  EXPECT_EQ(percent_decode("a%20b%2f%C3%BC~"), "a b/ü~");
}

TEST(HttpDate, IsThatOfTheStandard) {
  EXPECT_EQ(format_http_date(base::from_unix_ms(784111777000)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

// ---- server-sent events

std::vector<ServerSentEvent> parse_events(const std::string& text, std::size_t piece) {
  std::vector<ServerSentEvent> events;
  EventParser parser([&](ServerSentEvent event) { events.push_back(std::move(event)); });
  for (std::size_t at = 0; at < text.size(); at += piece) parser.feed(std::string_view(text).substr(at, piece));
  return events;
}

TEST(ServerSentEvents, SurviveFormattingAndParsingInAnySplit) {
  const std::string text = "\xef\xbb\xbf" + format_comment("hello") + format_retry(std::chrono::seconds(3)) +
                           format_event({"7", "run.done", "line one\nline two\n"}) + format_event({"", "", ""});
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
    const auto events = parse_events(text, piece);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].id, "7");
    EXPECT_EQ(events[0].event, "run.done");
    EXPECT_EQ(events[0].data, "line one\nline two\n");
    EXPECT_EQ(events[1].id, "7");  // the last id stays
    EXPECT_EQ(events[1].data, "");
  }
}

TEST(ServerSentEvents, TakeEveryKindOfLineBreak) {
  const auto events = parse_events("data:a\r\ndata: b\rdata\n\r\n\nid: 1\n\ndata: c\r\r", 1);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data, "a\nb\n");
  EXPECT_EQ(events[1].data, "c");
  EXPECT_EQ(events[1].id, "1");
}

TEST(ServerSentEvents, CannotBeForgedByData) {
  const std::string text = format_event({"1\ndata: x", "a\r\nid: 9", "b\rid: 8\r\n\r\ndata: y"});
  const auto events = parse_events(text, 1000);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].id, "1data: x");
  EXPECT_EQ(events[0].data, "b\nid: 8\n\ndata: y");
}

TEST(ServerSentEvents, RefuseAnEventWithoutEnd) {
  EventParser parser([](ServerSentEvent) {}, 1000);
  EXPECT_THROW(parser.feed("data: " + std::string(2000, 'x')), base::Error);
}

// ---- static files

constexpr StaticFile kFiles[] = {{"index.html", "text/html", "<html>", "\"i1\""},
                                 {"assets/app-1.js", "text/javascript", "run()", "\"a1\""}};

StaticFiles dashboard() {
  StaticOptions options;
  options.mount = "/ui/";
  options.index_for_unknown_pages = true;
  options.immutable_below = "assets/";
  options.headers = {{"Content-Security-Policy", "default-src 'self'"}};
  return StaticFiles(kFiles, options);
}

TEST(StaticFiles, ServeTheTableWithItsHeaders) {
  const auto files = dashboard();
  const auto script = files.answer(request_for("/ui/assets/app-1.js"));
  ASSERT_TRUE(script);
  EXPECT_EQ(script->body, "run()");
  EXPECT_EQ(script->headers.get("Content-Type"), "text/javascript");
  EXPECT_EQ(script->headers.get("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(script->headers.get("Content-Security-Policy"), "default-src 'self'");
  const auto index = files.answer(request_for("/ui/"));
  ASSERT_TRUE(index);
  EXPECT_EQ(index->headers.get("Cache-Control"), "no-cache");
}

TEST(StaticFiles, GiveTheIndexForPagesButNotForMissingFiles) {
  const auto files = dashboard();
  EXPECT_EQ(files.answer(request_for("/ui/runs/7"))->body, "<html>");
  EXPECT_FALSE(files.answer(request_for("/ui/assets/missing.js")));
  EXPECT_FALSE(files.answer(request_for("/elsewhere")));
  EXPECT_FALSE(files.answer(request_for("/ui/", Method::post)));
  EXPECT_FALSE(files.answer(request_for("/ui/../etc/passwd.txt")));
}

TEST(StaticFiles, AnswerWhatTheClientHasWith304) {
  const auto files = dashboard();
  Request request = request_for("/ui/");
  request.headers.set("If-None-Match", "W/\"x\", W/\"i1\"");
  const auto answer = files.answer(request);
  EXPECT_EQ(answer->status, 304);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(answer->headers.get("ETag"), "\"i1\"");
  EXPECT_TRUE(matches_etag("*", "\"a\""));
  EXPECT_FALSE(matches_etag("\"b\", nonsense", "\"a\""));
}

}  // namespace
}  // namespace slipway::net
