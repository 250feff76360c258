// The hub: where it is, and messages to and from it.
#pragma once

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "dwork.pb.h"

// What a user is told in one line, after which this worker ends.
struct Trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// addresses: tcp://HOST:PORT each, in the order in which they are worth trying. keys: empty when the hub has none.
struct Connection {
    std::vector<std::string> addresses;
    std::string server_key, public_key, secret_key;
};

// A connection file is JSON, and protobuf can read that by itself.
inline Connection read_connection(const std::filesystem::path& path) {
    using std::filesystem::perms;
    std::ifstream file(path);
    if (!file) throw Trouble(path.string() + " cannot be read");
    if ((status(path).permissions() & (perms::group_all | perms::others_all)) != perms::none)
        throw Trouble("others can get at " + path.string() + ", and so run commands as you; it is not used");
    google::protobuf::Struct values;
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!google::protobuf::util::JsonStringToMessage(text, &values).ok())
        throw Trouble(path.string() + " is no connection file");
    auto& value = *values.mutable_fields();
    Connection connection{{}, value["server_key"].string_value(), value["public_key"].string_value(),
                          value["secret_key"].string_value()};
    for (const auto& address : value["addresses"].list_value().values())
        connection.addresses.push_back(address.string_value());
    return connection;
}

class Hub {
   public:
    // Connects to the first address at which it answers: of a hub with several networks not each is reached from here.
    explicit Hub(const Connection& connection) {
        std::string tried;
        for (const auto& address : connection.addresses) {
            connect(address, connection);
            dwork::QueryMsg question;
            question.set_type(dwork::QueryMsg::OK);
            send(question);
            zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
            zmq::poll(&item, 1, std::chrono::seconds(5));
            if (const auto answer = receive()) {
                if (answer->count_size() == 0) throw Trouble("an original dhub answers, which this worker cannot talk to");
                socket_.set(zmq::sockopt::linger, 2'000);  // milliseconds, for the last word to arrive
                return;
            }
            tried += " " + address;
        }
        throw Trouble("nobody answers at" + tried + "; is the run still there, and reachable from here?");
    }

    void send(const dwork::QueryMsg& message) {
        socket_.send(zmq::message_t(), zmq::send_flags::sndmore);  // the empty frame that REQ sends
        if (!socket_.send(zmq::buffer(message.SerializeAsString()), zmq::send_flags::none))
            throw Trouble("the hub takes nothing any more");
    }

    // The next message that has come, if there is one.
    std::optional<dwork::QueryMsg> receive() {
        zmq::message_t frame;
        do {
            if (!socket_.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
        } while (frame.more());
        dwork::QueryMsg message;
        if (!message.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) throw Trouble("what answers is no hub");
        return message;
    }

    // For zmq::poll.
    void* handle() { return socket_.handle(); }

   private:
    void connect(const std::string& address, const Connection& connection) {
        socket_ = zmq::socket_t(context_, zmq::socket_type::dealer);
        socket_.set(zmq::sockopt::linger, 0);
        socket_.set(zmq::sockopt::sndtimeo, 60'000);
        socket_.set(zmq::sockopt::heartbeat_ivl, 5'000);  // or it would not see that the line is cut, and reconnect
        socket_.set(zmq::sockopt::heartbeat_timeout, 20'000);
        if (!connection.server_key.empty()) {
            socket_.set(zmq::sockopt::curve_serverkey, connection.server_key);
            socket_.set(zmq::sockopt::curve_publickey, connection.public_key);
            socket_.set(zmq::sockopt::curve_secretkey, connection.secret_key);
        }
        socket_.connect(address);
    }

    zmq::context_t context_;
    zmq::socket_t socket_;
};
