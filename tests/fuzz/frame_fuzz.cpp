// The agent's frames and the messages in them: what a stranger on the websocket may send.

#include "agent/frame.h"
#include "agent/messages.h"
#include "fuzz.h"

namespace {

using namespace slipway;

template <class Message>
void read_message(std::string_view payload) {
  fuzz::refused([&] {
    const auto message = json::parse<Message>(payload, json::Mode::lenient);
    const auto printed = json::print(message, json::Secrets::revealed);
    fuzz::must(json::print(json::parse<Message>(printed), json::Secrets::revealed) == printed,
               "a message survives being printed and read");
    if constexpr (std::is_same_v<Message, agent::OpenRequest>) agent::validate(message);
  });
}

}  // namespace

SLIPWAY_FUZZ(input) {
  fuzz::refused([&] { agent::decode_head(input); });
  agent::Frame frame;
  if (fuzz::refused([&] { frame = agent::decode(input); })) return;
  fuzz::must(agent::encode(frame) == input, "a frame that was read is written as it came");
  const auto head = agent::decode_head(input);
  fuzz::must(head.type == frame.type && head.channel == frame.channel, "head and frame agree");
  std::string renamed(input);
  agent::replace_channel(renamed, 7);
  fuzz::must(agent::decode_head(renamed).channel == 7, "a relay gives frames another channel");
  read_message<agent::Hello>(frame.payload);
  read_message<agent::Welcome>(frame.payload);
  read_message<agent::Heartbeat>(frame.payload);
  read_message<agent::OpenRequest>(frame.payload);
  read_message<agent::Opened>(frame.payload);
  read_message<agent::Closed>(frame.payload);
}
