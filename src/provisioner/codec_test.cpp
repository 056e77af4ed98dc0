#include "provisioner/codec.h"

#include <gtest/gtest.h>

#include "provisioner/line_buffer.h"
#include "provisioner/log_text.h"

namespace slipway::provisioner {
namespace {

std::string refusal(std::string_view line) {
  try {
    decode_message(line);
    return "";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "PROTOCOL_ERROR");
    return error.message();
  }
}

template <class T>
T round_trip(const T& request) {
  const std::string line = encode(Request(request));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return std::get<T>(std::get<Request>(decode_request(std::string_view(line).substr(0, line.size() - 1))));
}

TEST(Codec, RequestsGoThereWhole) {
  const auto plan = round_trip(Plan{.metadata = {.transition = fleet::Transition::destroy, .workspace_name = "dev\n2"},
                                    .parameters = {{.name = "key", .value = "s3cret", .sensitive = true}}});
  EXPECT_EQ(plan.metadata.transition, fleet::Transition::destroy);
  EXPECT_EQ(plan.metadata.workspace_name, "dev\n2");
  EXPECT_EQ(plan.parameters[0].value, "s3cret");
  const auto config = round_trip(Config{.directory = "/d", .state_backend = StateBackend{.password = "p"}});
  EXPECT_EQ(config.state_backend->password, "p");
  EXPECT_EQ(encode(Request(Cancel{})), "{\"type\":\"cancel\"}\n");
  EXPECT_TRUE(std::holds_alternative<StateKept>(decode_request(R"({"type":"stateKept"})")));
}

TEST(Codec, AnAuthorMayWriteOnlyWhatMatters) {
  const auto log = std::get<Log>(decode_message(R"({"type":"log","output":"hello","color":"red"})"));
  EXPECT_EQ(log.level, fleet::LogLevel::info);
  const auto failed = std::get<PlanComplete>(decode_message(R"({"type":"planComplete","error":{"message":"no"}})"));
  EXPECT_EQ(failed.error->code, "PROVISIONER_FAILED");
  const auto applied = std::get<ApplyComplete>(decode_message(R"({"type":"applyComplete"})"));
  EXPECT_FALSE(applied.error);
}

TEST(Codec, MistakesAreNamed) {
  EXPECT_TRUE(refusal("hello").contains("the line was: hello")) << refusal("hello");
  EXPECT_TRUE(refusal("[1]").contains("must be a JSON object"));
  EXPECT_TRUE(refusal(R"({"output":"x"})").contains("must have a member 'type'"));
  EXPECT_TRUE(refusal(R"({"type":"plan"})").contains("'plan' is no type of message that is expected here"));
  EXPECT_TRUE(refusal(R"({"type":"log","level":"loud"})").contains("level"))
      << refusal(R"({"type":"log","level":"loud"})");
  EXPECT_TRUE(refusal(R"({"type":"planComplete","resources":[{"address":3}]})").contains("address"));
  EXPECT_LT(refusal(std::string(1'000'000, 'x')).size(), 1'000u);
}

TEST(LineBuffer, GivesTheSameLinesInWhateverPiecesTheyCome) {
  const std::string text = "one\n\ntwo\nthree";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    LineBuffer buffer;
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += size) {
      buffer.append(std::string_view(text).substr(at, size));
      while (const auto line = buffer.next()) lines.emplace_back(*line);
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two"}));
    EXPECT_EQ(buffer.take_partial(), "three");
  }
}

TEST(Codec, BytesThatAreNoUtf8DoNotEndTheSession) {
  const Message message = PlanComplete{.error = Problem{.message = "caf\xE9 \x7F"}};
  const auto line = encode(message);
  const auto decoded = decode_message(std::string_view(line).substr(0, line.size() - 1));
  EXPECT_EQ(std::get<PlanComplete>(decoded).error->message, "caf\xEF\xBF\xBD \x7F");
}

TEST(LogText, IsValidUtf8WithoutControlCharacters) {
  EXPECT_EQ(clean_line("plain\ttext"), "plain\ttext");
  EXPECT_EQ(clean_line("ünï \xF0\x9F\x9A\x80\r"), "ünï \xF0\x9F\x9A\x80");
  EXPECT_EQ(clean_line("\x1B[31mred\x1B[0m"), "\x1B[31mred\x1B[0m");
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(clean_line(std::string_view("a\0b", 3)), "a" + replaced + "b");
  EXPECT_EQ(clean_line("\xC0\xAF"), replaced + replaced);                 // overlong
  EXPECT_EQ(clean_line("\xED\xA0\x80"), replaced + replaced + replaced);  // a surrogate
  EXPECT_EQ(clean_line("cut \xE2\x82"), "cut " + replaced + replaced);
  EXPECT_EQ(clean_lines("a\r\nb\n"), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace slipway::provisioner
