// The command line for the audit log against a hub that a test plays, and against files.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"
#include "base/digest.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;

const std::string kHash(64, 'a'), kOtherHash(64, 'b'), kBeginning(64, '0');

std::string entry_of(std::int64_t seq, const std::string& hash) {
  return R"({"seq":)" + std::to_string(seq) +
         R"(,"at":"2025-01-12T09:00:00.000Z","actor_id":"usr_1","action":"workspace.create",)"
         R"("resource_type":"workspace","resource_id":"w","outcome":"success","request_id":"req_1",)"
         R"("remote":"127.0.0.1:1","details":{"a":1},"prev_hash":")" +
         kBeginning + R"(","hash":")" + hash + R"("})";
}

std::string verified(const std::string& more) {
  return R"({"intact":true,"complete":true,"checked":7,"reached":"7:)" + kHash + R"(","head":"7:)" + kHash +
         R"(","sealFits":true)" + more + "}";
}

// As docs/audit.md says.
struct Export {
  std::string text, prev = kBeginning;
  std::int64_t seq = 0;

  Export& add(const std::string& action) {
    const std::string line = R"({"seq":)" + std::to_string(++seq) +
                             R"(,"at":"2025-01-12T09:00:00.000Z","actor_id":"usr_1","action":")" + action +
                             R"(","resource_type":"","resource_id":"","outcome":"success","request_id":"","remote":"",)"
                             R"("details":{},"prev_hash":")" +
                             prev + "\"}";
    prev = base::sha256_hex(line);
    text += line.substr(0, line.size() - 1) + R"(,"hash":")" + prev + "\"}\n";
    return *this;
  }
};

TEST(AuditCommands, ListAsksWithItsFilters) {
  Bench bench;
  bench.hub.answer(
      "GET /v1/audit?actor=usr_1&action=workspace.&outcome=success&since=2025-01-12T09%3A45%3A00.000Z&limit=50",
      {200, R"({"data":[)" + entry_of(3, kHash) + R"(],"meta":{}})"});
  EXPECT_EQ(bench.run({"audit", "list", "--actor", "usr_1", "--action", "workspace.", "--outcome", "success", "--since",
                       "15m"}),
            kOk)
      << bench.err;
  EXPECT_THAT(bench.out, HasSubstr("workspace.create"));
  EXPECT_THAT(bench.out, HasSubstr("workspace/w"));
}

TEST(AuditCommands, ShowTellsAllOfAnEntry) {
  Bench bench;
  bench.hub.data("GET /v1/audit/3", entry_of(3, kHash));
  EXPECT_EQ(bench.run({"audit", "show", "3"}), kOk);
  for (const auto& part : {std::string("req_1"), std::string(R"({"a":1})"), kHash, kBeginning})
    EXPECT_THAT(bench.out, HasSubstr(part));
}

TEST(AuditCommands, ExportPrintsWhatComes) {
  Bench bench;
  bench.hub.answer("GET /v1/audit/export?until=2025-01-01", {200, "{\"seq\":1}\n{\"seq\":2}\n"});
  EXPECT_EQ(bench.run({"audit", "export", "--until", "2025-01-01"}), kOk);
  EXPECT_EQ(bench.out, "{\"seq\":1}\n{\"seq\":2}\n");
}

TEST(AuditCommands, VerifyGoesOnUntilTheHubHasReachedTheEnd) {
  Bench bench;
  bench.hub.data("GET /v1/audit/verify", R"({"intact":true,"complete":false,"checked":5,"reached":"5:)" + kOtherHash +
                                             R"(","head":"7:)" + kHash + R"(","sealFits":true})");
  bench.hub.data("GET /v1/audit/verify?from=5%3A" + kOtherHash, verified(""));
  EXPECT_EQ(bench.run({"audit", "verify"}), kOk) << bench.err;
  EXPECT_THAT(bench.out, HasSubstr("Intact: 12 entries"));
  EXPECT_THAT(bench.out, HasSubstr("7:" + kHash));
}

TEST(AuditCommands, VerifyFailsOnAFaultAndOnASealThatDoesNotFit) {
  Bench bench;
  bench.hub.data("GET /v1/audit/verify", R"({"intact":false,"complete":false,"checked":1,"reached":"1:)" + kHash +
                                             R"(","head":"7:)" + kHash +
                                             R"(","sealFits":true,"fault":{"seq":2,"reason":"it was changed"}})");
  EXPECT_EQ(bench.run({"audit", "verify"}), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("entry 2: it was changed"));
  Bench forged;
  forged.hub.data("GET /v1/audit/verify", R"({"intact":false,"complete":true,"checked":7,"reached":"7:)" + kHash +
                                              R"(","head":"7:)" + kHash + R"(","sealFits":false})");
  EXPECT_EQ(forged.run({"audit", "verify"}), kFailed);
  EXPECT_THAT(forged.out, HasSubstr("seal does not fit"));
}

TEST(AuditCommands, VerifyComparesWithAHeadThatWasNotedEarlier) {
  Bench bench;
  bench.hub.data("GET /v1/audit/verify", verified(""));
  bench.hub.data("GET /v1/audit/3", entry_of(3, kHash));
  EXPECT_EQ(bench.run({"audit", "verify", "--expect-head", "3:" + kHash}), kOk);
  EXPECT_EQ(bench.run({"audit", "verify", "--expect-head", "3:" + kOtherHash}), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("made anew"));
  EXPECT_EQ(bench.run({"audit", "verify", "--expect-head", "9:" + kHash}), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("ends with entry 7"));
  EXPECT_EQ(bench.run({"audit", "verify", "--expect-head", "9"}), kUsage);
}

TEST(AuditCommands, VerifyOfAFileNeedsNoHub) {
  Bench bench;
  Export log;
  log.add("a").add("b").add("c");
  const auto verify = [&](const std::string& text, std::vector<std::string> more = {}) {
    bench.typed = text;
    std::vector<std::string> arguments{"audit", "verify", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bench.run(arguments);
  };
  EXPECT_EQ(verify(log.text), kOk) << bench.out;
  EXPECT_THAT(bench.out, HasSubstr("Head: 3:" + log.prev));
  const auto second = log.text.find('\n') + 1;
  EXPECT_EQ(verify(log.text.substr(second)), kOk) << bench.out;
  EXPECT_THAT(bench.out, HasSubstr("2 entries, after entry 1"));
  EXPECT_EQ(verify(log.text.substr(0, second) + log.text.substr(log.text.find('\n', second) + 1)), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("line 2, entry 2: entry 2 is missing"));
  auto changed = log.text;
  changed.replace(changed.find("usr_1"), 5, "usr_2");
  EXPECT_EQ(verify(changed), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("line 1, entry 1: it was changed"));
  EXPECT_EQ(verify(log.text.substr(0, log.text.size() - 5)), kFailed);
  EXPECT_EQ(verify(""), kFailed);
  EXPECT_EQ(verify(log.text, {"--expect-head", "3:" + log.prev}), kOk);
  EXPECT_EQ(verify(log.text, {"--expect-head", "3:" + kHash}), kFailed);
  EXPECT_EQ(verify(log.text, {"--expect-head", "4:" + kHash}), kFailed);
  EXPECT_TRUE(bench.hub.calls.empty());
  EXPECT_EQ(bench.run({"audit", "verify", "no-such-file"}), kNotFound);
}

}  // namespace
}  // namespace slipway::app::cli
