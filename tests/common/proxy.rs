//! A proxy that brings everybody to one place.

use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Serves on a loopback port until the test process ends.
pub struct Proxy {
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let shared = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = shared.clone();
                std::thread::spawn(move || tunnel(stream, target, &log));
            }
        });
        Self { address, log }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line of what was asked on each connection.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// `None` when either side has hung up.
fn tunnel(client: TcpStream, target: SocketAddr, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    log.lock().unwrap().push(line.trim_end().to_owned());
    let server = TcpStream::connect(target).ok()?;
    let (mut up, mut down) = (server.try_clone().ok()?, client.try_clone().ok()?);
    if line.starts_with("CONNECT") {
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        down.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    } else {
        up.write_all(line.as_bytes()).ok()?;
    }
    std::thread::spawn(move || {
        let _ = copy(&mut reader.by_ref(), &mut up);
        let _ = up.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut &server, &mut down);
    let _ = down.shutdown(Shutdown::Both);
    Some(())
}
