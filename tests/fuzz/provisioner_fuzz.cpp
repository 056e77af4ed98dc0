// The lines of a provisioner, both ways: what a program of anybody may print.

#include "fuzz.h"
#include "provisioner/codec.h"
#include "provisioner/log_text.h"

namespace {

using namespace slipway;

// Whether it was refused as bad lines are.
bool was_refused(auto decode) {
  try {
    decode();
    return false;
  } catch (const base::Error& error) {
    fuzz::must(error.code() == "PROTOCOL_ERROR", "a bad line breaks the protocol");
    fuzz::must(!error.message().empty() && error.message().size() < 4'096, "an error is a sentence");
    return true;
  }
}

template <class T>
void survives(const T& value, auto decode) {
  const std::string line = provisioner::encode(value);
  fuzz::must(line.find('\n') == line.size() - 1, "a message is one line");
  fuzz::must(provisioner::encode(decode(std::string_view(line).substr(0, line.size() - 1))) == line,
             "a message survives being written and read");
}

}  // namespace

SLIPWAY_FUZZ(input) {
  provisioner::Message message;
  if (!was_refused([&] { message = provisioner::decode_message(input); }))
    survives(message, [](std::string_view line) { return provisioner::decode_message(line); });
  std::variant<provisioner::Request, provisioner::StateKept> request;
  if (!was_refused([&] { request = provisioner::decode_request(input); }))
    if (const auto* plain = std::get_if<provisioner::Request>(&request))
      survives(*plain,
               [](std::string_view line) { return std::get<provisioner::Request>(provisioner::decode_request(line)); });
  const std::string clean = provisioner::clean_line(input);
  fuzz::must(provisioner::clean_line(clean) == clean, "what is clean stays as it is");
}
