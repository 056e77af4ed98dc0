#include <sys/un.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "net/websocket_stream.h"

namespace slipway::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using Tcp = asio::ip::tcp;
using Resolver = asio::ip::basic_resolver<Tcp, Executor>;
using base::ErrorClass;

namespace {

// Where distributions keep their certificate authorities, besides OpenSSL's own place: the agent's OpenSSL is not the
// system's.
constexpr std::array kAuthorityBundles{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                       "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

struct Address {
  bool encrypted = false;
  std::string host;  // without brackets
  std::string port;
  std::string unix_path;
  std::string host_header;
  std::string target;
};

base::Error invalid_url(const std::string& url) {
  return base::Error(ErrorClass::user, "INVALID_URL",
                     "'" + url + "' is no address like ws://host:port/path, wss://host/path or unix:/socket:/path");
}

base::Error connection_failed(const std::string& reason) {
  return base::Error(ErrorClass::transient, "CONNECTION_FAILED", "the connection cannot be made: " + reason);
}

Address parse_unix(const std::string& url) {
  const std::string rest = url.substr(std::string_view("unix:").size());
  const auto split = rest.rfind(":/");
  Address address;
  address.unix_path = rest.substr(0, split);
  const bool usable = rest.starts_with('/') && split != std::string::npos;
  if (!usable || address.unix_path.size() >= sizeof(sockaddr_un::sun_path)) throw invalid_url(url);
  address.host_header = "localhost";
  address.target = rest.substr(split + 1);
  return address;
}

bool is_clean(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c != 0x7f; });
}

Address parse_url(const std::string& url) {
  if (!is_clean(url)) throw invalid_url(url);
  if (url.starts_with("unix:")) return parse_unix(url);
  Address address;
  address.encrypted = url.starts_with("wss://");
  if (!address.encrypted && !url.starts_with("ws://")) throw invalid_url(url);
  const std::string rest = url.substr(address.encrypted ? 6 : 5);
  const auto slash = rest.find_first_of("/?");
  address.host_header = rest.substr(0, slash);
  address.target = slash == std::string::npos ? "/" : rest.substr(slash);
  if (address.target.starts_with('?')) address.target.insert(0, "/");
  if (address.target.contains('#') || address.host_header.contains('@')) throw invalid_url(url);
  const std::string& host = address.host_header;
  const auto bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string::npos) throw invalid_url(url);
  const auto colon = host.find(':', bracket);
  address.host = bracket ? host.substr(1, bracket - 1) : host.substr(0, colon);
  address.port = colon == std::string::npos ? (address.encrypted ? "443" : "80") : host.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, failure] = std::from_chars(address.port.data(), address.port.data() + address.port.size(), number);
  if (address.host.empty() || failure != std::errc() || *end != '\0') throw invalid_url(url);
  return address;
}

std::shared_ptr<Transport::TlsContext> make_client_tls(const std::string& ca_file) {
  auto context = std::make_shared<Transport::TlsContext>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_verify_mode(asio::ssl::verify_peer);
  error_code error;
  if (!ca_file.empty()) {
    context->load_verify_file(ca_file, error);
    if (error) throw base::Error(ErrorClass::internal, "TLS_FAILED", "cannot read " + ca_file + ": " + error.message());
    return context;
  }
  context->set_default_verify_paths(error);
  for (const char* bundle : kAuthorityBundles) {
    context->load_verify_file(bundle, error);
    if (!error) break;
  }
  return context;
}

// The connection that is being made, and its time limit. Shared with the timer and the name lookup, whose thread may
// outlive us.
struct Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(IoContext& context, base::Duration timeout)
      : io(context), timer(context, timeout), resolver(context), changed(context) {}

  void start_timer() {
    timer.async_wait([self = shared_from_this()](const error_code& error) {
      if (error) return;
      self->timed_out = true;
      self->resolver.cancel();
      if (self->transport) self->transport->close();
      self->changed.notify_all();
    });
  }
  void check_time() const {
    if (timed_out) throw base::Error(ErrorClass::transient, "TIMEOUT", "the connection was not made in time");
  }

  IoContext& io;
  Timer timer;
  Resolver resolver;
  Signal changed;
  std::shared_ptr<Transport> transport;
  std::vector<Tcp::endpoint> endpoints;
  error_code lookup_error;
  bool looked_up = false;
  bool timed_out = false;
};

Awaitable<void> look_up(std::shared_ptr<Attempt> attempt, const Address& address) {
  error_code not_numeric;
  const auto numeric = asio::ip::make_address(address.host, not_numeric);
  if (!not_numeric) {
    attempt->endpoints.emplace_back(numeric, std::uint16_t(std::stoi(address.port)));
    co_return;
  }
  attempt->resolver.async_resolve(address.host, address.port,
                                  [attempt](const error_code& error, const Resolver::results_type& results) {
                                    attempt->lookup_error = error;
                                    attempt->endpoints.assign(results.begin(), results.end());
                                    attempt->looked_up = true;
                                    attempt->changed.notify_all();
                                  });
  while (!attempt->looked_up && !attempt->timed_out) co_await attempt->changed.wait();
  attempt->check_time();
  if (attempt->lookup_error || attempt->endpoints.empty())
    throw connection_failed("looking up " + address.host + ": " + attempt->lookup_error.message());
}

Awaitable<void> open_socket(std::shared_ptr<Attempt> attempt, const Address& address,
                            std::shared_ptr<Transport::TlsContext> tls) {
  std::vector<asio::generic::stream_protocol::endpoint> targets;
  if (address.unix_path.empty()) {
    co_await look_up(attempt, address);
    targets.assign(attempt->endpoints.begin(), attempt->endpoints.end());
  } else {
    targets.emplace_back(asio::local::stream_protocol::endpoint(address.unix_path));
  }
  error_code last;
  for (const auto& target : targets) {
    Transport::Socket socket(attempt->io);
    attempt->transport =
        tls ? std::make_shared<Transport>(std::move(socket), tls) : std::make_shared<Transport>(std::move(socket));
    error_code unopened;
    attempt->transport->socket().open(target.protocol(), unopened);
    if (!unopened) close_on_exec(attempt->transport->socket().native_handle());
    const auto [error] = co_await attempt->transport->socket().async_connect(target, use_result);
    attempt->check_time();
    last = error;
    if (error) continue;
    error_code ignored;
    if (address.unix_path.empty()) attempt->transport->socket().set_option(Tcp::no_delay(true), ignored);
    co_return;
  }
  throw connection_failed(last.message());
}

Awaitable<void> secure(std::shared_ptr<Attempt> attempt, const Address& address) {
  auto& tls = attempt->transport->tls();
  error_code not_numeric;
  asio::ip::make_address(address.host, not_numeric);
  if (not_numeric) SSL_set_tlsext_host_name(tls.native_handle(), address.host.c_str());
  tls.set_verify_callback(asio::ssl::host_name_verification(address.host));
  const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::client, use_result);
  attempt->check_time();
  if (error) throw base::Error(ErrorClass::internal, "TLS_FAILED", "the TLS handshake failed: " + error.message());
}

ErrorClass class_of_status(int status) {
  if (status == 429) return ErrorClass::throttled;
  return status >= 500 || status == 408 ? ErrorClass::transient : ErrorClass::user;
}

// The server's answer to an upgrade that it does not want.
base::Error refused(const websocket::response_type& response) {
  const int status = int(response.result_int());
  std::string code = "UPGRADE_REFUSED";
  std::string message = "the server answered " + std::to_string(status) + " instead of a WebSocket";
  error_code malformed;
  const auto body = boost::json::parse(response.body(), malformed);
  if (!malformed && body.is_object()) {
    const auto* error = body.get_object().if_contains("error");
    const auto* fields = error ? error->if_object() : nullptr;
    const auto* its_code = fields ? fields->if_contains("code") : nullptr;
    const auto* its_message = fields ? fields->if_contains("message") : nullptr;
    if (its_code && its_code->is_string()) code = its_code->get_string();
    if (its_message && its_message->is_string()) message = its_message->get_string();
  }
  return base::Error(class_of_status(status), std::move(code), std::move(message),
                     boost::json::object{{"status", status}});
}

}  // namespace

Awaitable<std::unique_ptr<WebSocket>> connect_websocket(IoContext& io, std::string url, Headers headers,
                                                        base::Duration timeout, WebSocketOptions options) {
  const Address address = parse_url(url);
  const auto attempt = std::make_shared<Attempt>(io, timeout);
  attempt->start_timer();
  struct Ended {
    Attempt& attempt;
    ~Ended() { attempt.timer.cancel(); }
  } ended{*attempt};
  co_await open_socket(attempt, address, address.encrypted ? make_client_tls(options.ca_file) : nullptr);
  if (address.encrypted) co_await secure(attempt, address);

  const auto session = std::make_shared<WebSocketSession>(attempt->transport, options.limits);
  session->stream().set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
    for (const auto& [name, value] : headers) request.insert(name, value);
    if (!options.subprotocol.empty()) request.set(http::field::sec_websocket_protocol, options.subprotocol);
  }));
  websocket::response_type response;
  const auto [error] =
      co_await session->stream().async_handshake(response, address.host_header, address.target, use_result);
  attempt->check_time();
  if (error == websocket::error::upgrade_declined) throw refused(response);
  if (error) throw connection_failed(error.message());
  const auto chosen = response[http::field::sec_websocket_protocol];
  session->begin(std::string(chosen.data(), chosen.size()), {});
  co_return wrap(session);
}

}  // namespace slipway::net
