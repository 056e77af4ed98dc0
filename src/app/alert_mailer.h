#pragma once
// Tells who is on call of alerts by mail: of each once, at most one mail a minute, however many there are. A background
// task of every replica, of which the eldest does it. What was not sent is sent later; a mail may come twice when a hub
// dies between sending and noting it.

#include <memory>
#include <stop_token>
#include <string>

#include "net/asio.h"
#include "notify/mail.h"

namespace slipway::api {
struct Hub;
}

namespace slipway::app {

class AlertMailer {
 public:
  // `hub_url` is where the mail says that the hub is. The references outlive this.
  AlertMailer(api::Hub& hub, notify::MailSender& sender, std::string to, std::string hub_url);
  // Until `stop`; spawned by the owner. For the loop's thread.
  net::Awaitable<void> run();
  void stop();

 private:
  // Whether there was something to tell.
  net::Awaitable<bool> tell();

  api::Hub& hub_;
  notify::MailSender& sender_;
  const std::string to_, hub_url_;
  net::Signal stopping_;
  std::stop_source stop_sending_;
  bool stopped_ = false;
  bool is_failing_ = false;
};

}  // namespace slipway::app
