//! How others are reached, and how they reach this node: the one place where the crates above open sockets, so that a
//! simulation can put a network of its own there. The server's own connections are accepted in [`http`](crate::http); hosts
//! that somebody else has named are called through [`outbound`](crate::outbound).

use std::net::SocketAddr;
use std::os::unix::net;
use std::path::Path;

use reqwest::{Client, ClientBuilder};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Listens for connections at an address.
pub async fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(at).await
}

/// Connects to a port of a host, by its name or address.
pub async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect((host, port)).await
}

/// Listens for connections of this machine at a path.
pub fn listen_at_path(path: &Path) -> std::io::Result<net::UnixListener> {
    net::UnixListener::bind(path)
}

/// Takes what listens at a path into the runtime of tasks.
pub fn accept_in_tasks(listener: net::UnixListener) -> std::io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Connects to what listens at a path, and waits for it.
pub fn connect_to_path(path: &Path) -> std::io::Result<net::UnixStream> {
    net::UnixStream::connect(path)
}

/// The addresses of `HOST:PORT`. Asks DNS, and waits for it.
pub fn addresses(of: &str) -> std::io::Result<impl Iterator<Item = SocketAddr>> {
    std::net::ToSocketAddrs::to_socket_addrs(of)
}

/// An HTTP client, to be set up: for hosts that whoever runs the server has named.
pub fn http_client() -> ClientBuilder {
    Client::builder()
}
