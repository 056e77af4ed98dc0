#pragma once
// An exchange whose answers, streams included, also carry what the dispatcher decided for all: the caller's rate, CORS,
// compression.

#include <map>

#include "api/call.h"

namespace slipway::api {

// Compressed files of the dashboard, by ETag: they are few, and compiled in.
using PackedPages = std::map<std::string, std::string>;

class Outgoing final : public net::Exchange {
 public:
  Outgoing(net::Exchange& exchange, Hub& hub) : exchange_(exchange), hub_(hub) {}

  net::Headers& headers() { return headers_; }  // added to what is answered
  // The answer is a file that may be kept compressed there.
  void keep_in(PackedPages& pages) { pages_ = &pages; }

  const net::Request& request() const override { return exchange_.request(); }
  net::Awaitable<void> respond(net::Response response) override;
  net::Awaitable<std::unique_ptr<net::Stream>> start_stream(net::Response head) override;
  bool wants_websocket() const override { return exchange_.wants_websocket(); }
  net::Awaitable<std::unique_ptr<net::WebSocket>> accept_websocket(std::optional<std::string> subprotocol) override {
    return exchange_.accept_websocket(std::move(subprotocol));
  }
  void abandon() override { exchange_.abandon(); }
  bool answered() const override { return exchange_.answered(); }
  bool peer_gone() const override { return exchange_.peer_gone(); }

 private:
  void add_headers(net::Response& response) const;
  net::Awaitable<void> compress(net::Response& response);

  net::Exchange& exchange_;
  Hub& hub_;
  net::Headers headers_;
  PackedPages* pages_ = nullptr;
};

}  // namespace slipway::api
