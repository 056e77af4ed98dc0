#include "agent/frame.h"

#include <gtest/gtest.h>

#include "agent/messages.h"
#include "base/random.h"

namespace slipway::agent {
namespace {

Frame stream_frame(FrameType type, std::uint64_t offset, std::string payload) {
  Frame frame;
  frame.type = type;
  frame.channel = 0x01020304;
  frame.stream = StreamId::error;
  frame.offset = offset;
  frame.payload = std::move(payload);
  return frame;
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code();
  }
  return "no error";
}

TEST(Frame, IsTheSameAfterEncodingAndDecoding) {
  for (const Frame& frame :
       {stream_frame(FrameType::data, 1ull << 40, std::string("a\0b", 3)), stream_frame(FrameType::ack, 7, ""),
        stream_frame(FrameType::eof, 0, ""), control_frame(FrameType::close, 9, Closed{"A", "b", true})})
    EXPECT_EQ(decode(encode(frame)), frame);
}

TEST(Frame, HasTheDocumentedBytes) {
  EXPECT_EQ(encode(stream_frame(FrameType::data, 258, "x")),
            std::string("\x20\x01\x02\x03\x04\x02\0\0\0\0\0\0\x01\x02x", 15));
}

TEST(Frame, OnlyTheChannelChangesInARelay) {
  Frame frame = stream_frame(FrameType::data, 5, "bytes");
  std::string message = encode(frame);
  replace_channel(message, 77);
  frame.channel = 77;
  EXPECT_EQ(decode(message), frame);
  EXPECT_EQ(decode_head(message).channel, 77u);
}

TEST(Frame, EveryTruncationAndUnknownTypeIsAProtocolError) {
  const std::string whole = encode(stream_frame(FrameType::data, 5, "x"));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(code_of([&] { decode(whole.substr(0, length)); }), "PROTOCOL_ERROR") << length;
  EXPECT_EQ(code_of([&] { decode(std::string(5, '\x7f')); }), "PROTOCOL_ERROR");
  EXPECT_EQ(code_of([&] { decode(std::string(kMaxFrameBytes + 1, '\x10')); }), "PROTOCOL_ERROR");
  EXPECT_EQ(code_of([&] { decode(encode(stream_frame(FrameType::ack, 1, "payload"))); }), "PROTOCOL_ERROR");
  EXPECT_EQ(code_of([&] { decode(encode(stream_frame(FrameType::data, ~0ull, "x"))); }), "PROTOCOL_ERROR");
  EXPECT_EQ(code_of([&] { decode(encode(stream_frame(FrameType::data, 0, std::string(kMaxDataBytes + 1, 'x')))); }),
            "PROTOCOL_ERROR");
}

TEST(Frame, DecoderEndsOnAnyBytesWithAFrameOrAProtocolError) {
  base::SeededRandom random(20250112);
  const std::string seed = encode(stream_frame(FrameType::data, 12345, "some payload"));
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = random.below(2) ? seed : std::string(random.below(64), '\0');
    for (std::uint64_t change = random.below(8) + 1; change > 0 && !bytes.empty(); --change)
      bytes[random.below(bytes.size())] = char(random.next());
    bytes.resize(random.below(bytes.size() + 1));
    try {
      const Frame frame = decode(bytes);
      EXPECT_EQ(encode(frame), bytes);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), "PROTOCOL_ERROR");
    }
  }
}

TEST(Messages, ReaderEndsOnAnyTextWithAMessageOrAProtocolError) {
  base::SeededRandom random(7);
  OpenRequest open{.session = std::string(22, 'a')};
  open.command = CommandRequest{.argv = {"ls", "-l"}};
  const std::string seed = json::print(open);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seed;
    for (std::uint64_t change = random.below(4) + 1; change > 0; --change)
      text[random.below(text.size())] = char(random.next());
    try {
      validate(read_message<OpenRequest>(text));
    } catch (const base::Error& error) {
      EXPECT_TRUE(error.code() == "PROTOCOL_ERROR" || error.code() == "VALIDATION_ERROR") << error.what();
    }
  }
}

TEST(Messages, AnOpenRequestIsRefusedWithTheFieldThatIsWrong) {
  OpenRequest open{.session = std::string(22, 'a')};
  EXPECT_EQ(code_of([&] { validate(open); }), "VALIDATION_ERROR");  // no command
  open.command = CommandRequest{.argv = {"ls"}};
  EXPECT_EQ(code_of([&] { validate(open); }), "no error");
  open.session = "short";
  EXPECT_EQ(code_of([&] { validate(open); }), "VALIDATION_ERROR");
  open.session = std::string(22, 'a');
  open.command->environment["A=B"] = "c";
  EXPECT_EQ(code_of([&] { validate(open); }), "VALIDATION_ERROR");
  open.kind = SessionKind::ssh;
  open.ssh = SshRequest{"ssh-ed25519 AAAA\ncommand=\"id\" ssh-rsa BBBB"};
  EXPECT_EQ(code_of([&] { validate(open); }), "VALIDATION_ERROR");
}

}  // namespace
}  // namespace slipway::agent
