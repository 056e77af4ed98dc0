#pragma once
// Transport over the real network: http://, https:// and unix:/path addresses.

#include <memory>

#include "app/cli/transport.h"
#include "net/http_client.h"

namespace slipway::app::cli {

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(std::string url) : url_(std::move(url)) {}
  Answer send(const Call& call) override;
  // The sink runs on the caller's thread, so that it may `send` meanwhile.
  Answer stream(const Call& call, const StreamSink& sink) override;

 private:
  net::ClientRequest request_for(const Call& call) const;

  std::string url_;
  net::HttpClient client_;
};

}  // namespace slipway::app::cli
