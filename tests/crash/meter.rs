//! A forwarder in front of the registry that knows which bytes of each blob were delivered.
//!
//! It sends the next bytes only when the client has read those before, so that what lies in the
//! kernel's buffers when a client dies, and was neither seen by it nor fetched in vain, stays small.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::common::http::{Request, read_request};

/// Bytes of a blob that went to one client.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Where the answer began.
    pub from: u64,
    /// Where it ended, or broke off.
    pub to: u64,
}

/// What was fetched of one blob, and how much of it in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub delivered: u64,
    /// The most that one request asked for again.
    pub most_again: u64,
    pub again: u64,
}

type Log = Arc<Mutex<HashMap<String, Vec<Transfer>>>>;

/// Serves on a loopback port until the test process ends.
pub struct Meter {
    address: SocketAddr,
    log: Log,
}

const STEP: usize = 64 << 10;
/// The largest backlog in the client's kernel.
const BACKLOG: u64 = 32 << 10;

impl Meter {
    /// Each connection gets at most so many bytes in a second.
    pub fn to(registry: SocketAddr, pace: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Log::default());
        let shared = log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = shared.clone();
                std::thread::spawn(move || serve(&stream, registry, pace, &log));
            }
        });
        Self { address, log }
    }

    /// The same image through the meter.
    pub fn reference(&self, reference: &str) -> String {
        format!("{}/{}", self.address, reference.split_once('/').unwrap().1)
    }

    pub fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    pub fn account(&self, digest: &str) -> Account {
        let log = self.log.lock().unwrap();
        let mut account = Account::default();
        let mut reached = 0;
        for transfer in log.get(digest).into_iter().flatten() {
            let again = transfer.to.min(reached).saturating_sub(transfer.from);
            account.delivered += transfer.to - transfer.from;
            account.again += again;
            account.most_again = account.most_again.max(again);
            reached = reached.max(transfer.to);
        }
        account
    }
}

/// `None` when either side has hung up.
fn serve(client: &TcpStream, registry: SocketAddr, pace: u64, log: &Log) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(client);
    loop {
        let request = read_request(&mut reader)?;
        forward(client, &request, registry, pace, log)?;
    }
}

fn forward(client: &TcpStream, request: &Request, registry: SocketAddr, pace: u64, log: &Log) -> Option<()> {
    let mut server = TcpStream::connect(registry).ok()?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    let kept = request.headers.iter().filter(|(name, _)| *name != "connection");
    kept.for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).ok()?;
    let mut server = BufReader::new(server);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        server.read_line(&mut line).ok().filter(|&count| count > 0)?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut to = client;
    to.write_all(head.as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    let partial = head.split_whitespace().nth(1) == Some("206");
    let from = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
    let from = from.filter(|_| partial).map_or(0, |from| from.parse().unwrap());
    let mut note = note(&request.target, from, log);
    copy(client, &mut server.take(length), pace, &mut note)
}

/// Opens an account for a transfer, if it is one of a blob; told how many bytes went.
fn note(target: &str, from: u64, log: &Log) -> impl FnMut(u64) {
    let digest = target.split_once("/blobs/").map(|(_, digest)| digest.to_owned());
    let (log, mut at) = (log.clone(), None);
    move |count| {
        let Some(digest) = &digest else { return };
        let mut log = log.lock().unwrap();
        let transfers = log.entry(digest.clone()).or_default();
        let at = *at.get_or_insert_with(|| {
            transfers.push(Transfer { from, to: from });
            transfers.len() - 1
        });
        // forgotten meanwhile
        if let Some(transfer) = transfers.get_mut(at) {
            transfer.to += count;
        }
    }
}

fn copy(client: &TcpStream, body: &mut impl Read, pace: u64, note: &mut impl FnMut(u64)) -> Option<()> {
    let (mut buffer, mut sent, start) = (vec![0; STEP], 0, Instant::now());
    let backlog = Backlog::of(client)?;
    let mut to = client;
    loop {
        let count = body.read(&mut buffer).ok()?;
        if count == 0 {
            return Some(());
        }
        while backlog.bytes() > BACKLOG {
            std::thread::sleep(Duration::from_millis(1));
        }
        to.write_all(&buffer[..count]).ok()?;
        note(count as u64);
        sent += count as u64;
        let due = Duration::from_secs_f64(sent as f64 / pace as f64);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
}

/// Asks the kernel about both ends of a connection (sock_diag(7)); reading /proc/net/tcp would take it
/// milliseconds.
struct Backlog {
    netlink: OwnedFd,
    /// About the client's socket, and about ours.
    requests: [Vec<u8>; 2],
}

impl Backlog {
    /// `None` for a client that is gone.
    fn of(client: &TcpStream) -> Option<Self> {
        let (SocketAddr::V4(theirs), SocketAddr::V4(ours)) =
            (client.peer_addr().ok()?, client.local_addr().ok()?)
        else {
            panic!("loopback is IPv4 here");
        };
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        );
        Some(Self { netlink: netlink.unwrap(), requests: [request(theirs, ours), request(ours, theirs)] })
    }

    /// Bytes that the client has not read yet, also those that are still on our side; 0 when it is gone.
    fn bytes(&self) -> u64 {
        let [theirs, ours] = self.requests.each_ref().map(|request| self.queues(request));
        // nothing is read any more, and nothing is to be waited for
        theirs.map_or(0, |(received, _)| received + ours.map_or(0, |(_, unacknowledged)| unacknowledged))
    }

    /// What waits to be read and to be acknowledged on a socket.
    fn queues(&self, request: &[u8]) -> Option<(u64, u64)> {
        let fd = self.netlink.as_raw_fd();
        send(fd, request, MsgFlags::empty()).unwrap();
        let mut answer = [0; 4096];
        let count = recv(fd, &mut answer, MsgFlags::empty()).unwrap();
        // inet_diag_msg: idiag_rqueue and idiag_wqueue follow family and states, the socket, and a time
        let at = 16 + 4 + 48 + 4;
        let queue = |at: usize| u64::from(u32::from_ne_bytes(answer[at..at + 4].try_into().unwrap()));
        // else NLMSG_ERROR: no such socket
        (answer[4..6] != 2_u16.to_ne_bytes() && count >= at + 8).then(|| (queue(at), queue(at + 4)))
    }
}

fn request(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    // nlmsghdr: length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, sequence, port
    let header = [&72_u32.to_ne_bytes()[..], &20_u16.to_ne_bytes(), &1_u16.to_ne_bytes(), &[0; 8]].concat();
    // inet_diag_req_v2: AF_INET, IPPROTO_TCP, all states; then the socket, without interface and cookie
    let kind = [&[2, 6, 0, 0][..], &u32::MAX.to_ne_bytes()].concat();
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let address = |it: SocketAddrV4| [&it.ip().octets()[..], &[0; 12]].concat();
    let rest = [&[0; 4][..], &[0xff; 8]].concat();
    [header, kind, ports, address(from), address(to), rest].concat()
}
