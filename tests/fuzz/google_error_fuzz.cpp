// What servers answer when they refuse: the first byte is the status, the rest the body.

#include "fuzz.h"
#include "google/error.h"
#include "net/http_client.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  if (input.empty()) return;
  const int status = 300 + int(static_cast<unsigned char>(input.front())) % 300;
  const auto error = google::to_error({"s", "m", "/p"}, net::ClientResponse{status, {}, std::string(input.substr(1))});
  fuzz::must(!error.code().empty() && !error.message().empty(), "every refusal has a code and a message");
  fuzz::must(error.message().size() < 1'100, "a message is of a length that fits a log");
  fuzz::must(net::is_valid_utf8(error.message()), "a message is text");
  fuzz::must(json::print_value(error.details()).size() < 64'000, "details are of a size that fits a journal");
  const auto details = google::details_of(error);
  fuzz::must(details && details->http_status == status, "details say what the answer was");
  fuzz::must(json::parse_value(json::print_value(error.details())) == error.details(), "details survive the wire");
}
