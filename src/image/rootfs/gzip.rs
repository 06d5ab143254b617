//! gzip (RFC 1952) without its checksum: the digests of blob and layer say more, and computing it
//! takes an eighth of the time of inflating.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Bits of the header's flags.
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;
/// Longest name or comment; the format has no bound.
const LONGEST_TEXT: usize = 64 << 10;
/// Checksum and size.
const TRAILER: usize = 8;

/// The uncompressed bytes of all members, one after another: gzip allows, and pigz and bgzip write,
/// more than one. Leaves what follows the last one in the reader.
pub(super) struct Gunzip<R> {
    reader: R,
    inflater: Decompress,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// In front of a member.
    Header,
    Body,
    End,
}

impl<R: BufRead> Gunzip<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, inflater: Decompress::new(false), state: State::Header }
    }

    /// Reads a member's header; at the end of all members there is none.
    fn begin(&mut self) -> io::Result<()> {
        let start = self.reader.fill_buf()?;
        if start.is_empty() || start[0] != MAGIC[0] {
            self.state = State::End;
            return Ok(());
        }
        let fixed: [u8; 10] = self.bytes()?;
        let flags = fixed[3];
        if fixed[..3] != MAGIC || flags & RESERVED != 0 {
            return Err(bad("it is not what gzip writes"));
        }
        if flags & EXTRA != 0 {
            let length = u16::from_le_bytes(self.bytes()?);
            let copied = io::copy(&mut self.reader.by_ref().take(length.into()), &mut io::sink())?;
            if copied < length.into() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        for flag in [NAME, COMMENT] {
            if flags & flag != 0 {
                self.text()?;
            }
        }
        if flags & HEADER_CRC != 0 {
            self.bytes::<2>()?;
        }
        self.inflater.reset(false);
        self.state = State::Body;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        // what read_exact itself says would tell nobody what is wrong
        self.reader.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::ErrorKind::UnexpectedEof.into(),
            _ => error,
        })?;
        Ok(bytes)
    }

    /// Skips text that ends in a NUL.
    fn text(&mut self) -> io::Result<()> {
        for _ in 0..LONGEST_TEXT {
            if self.bytes::<1>()? == [0] {
                return Ok(());
            }
        }
        Err(bad("a gzip header that does not end"))
    }

    /// Inflates what is at hand. Some bytes, or the member's end, or neither where more is needed.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.reader.fill_buf()?;
        let (read, written) = (self.inflater.total_in(), self.inflater.total_out());
        let at_end = input.is_empty();
        let status = self.inflater.decompress(input, buffer, FlushDecompress::None).map_err(bad)?;
        self.reader.consume((self.inflater.total_in() - read) as usize);
        let count = (self.inflater.total_out() - written) as usize;
        match status {
            Status::StreamEnd => {
                self.bytes::<TRAILER>()?;
                self.state = State::Header;
            }
            _ if at_end && count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        Ok(count)
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::Header => self.begin()?,
                State::End => return Ok(0),
                State::Body => match self.inflate(buffer)? {
                    0 if !buffer.is_empty() => {}
                    count => return Ok(count),
                },
            }
        }
    }
}

fn bad(message: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn member(bytes: &[u8], builder: GzBuilder) -> Vec<u8> {
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Read in small pieces, so that everything is cut somewhere.
    fn gunzip(compressed: &[u8]) -> io::Result<(Vec<u8>, usize)> {
        let mut gunzip = Gunzip::new(BufReader::with_capacity(3, compressed));
        let (mut bytes, mut piece) = (Vec::new(), [0; 5]);
        loop {
            match gunzip.read(&mut piece)? {
                0 => break,
                count => bytes.extend_from_slice(&piece[..count]),
            }
        }
        let mut rest = Vec::new();
        gunzip.reader.read_to_end(&mut rest)?;
        Ok((bytes, rest.len()))
    }

    #[test]
    fn members_with_and_without_optional_fields_follow_each_other() {
        let mut stream = member(b"first, ", GzBuilder::new());
        stream.extend(member(b"", GzBuilder::new()));
        let full = GzBuilder::new().filename("a name").comment("a comment").extra(vec![7; 300]);
        stream.extend(member(b"second", full));
        assert_eq!(gunzip(&stream).unwrap(), (b"first, second".to_vec(), 0));
    }

    #[test]
    fn what_follows_is_left_in_the_reader() {
        let mut stream = member(b"all", GzBuilder::new());
        stream.extend(b"rest");
        assert_eq!(gunzip(&stream).unwrap(), (b"all".to_vec(), 4));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = member(b"some bytes", GzBuilder::new().filename("name"));
        for length in 1..whole.len() {
            assert!(gunzip(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn headers_that_nobody_writes_are_refused() {
        let good = member(b"bytes", GzBuilder::new());
        for (at, value) in [(1, 0), (2, 7), (3, 0x80), (3, NAME | COMMENT)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(gunzip(&bad).is_err(), "byte {at} = {value}");
        }
        let endless = [&[0x1f, 0x8b, 8, NAME, 0, 0, 0, 0, 0, 0][..], &[b'a'; 70_000]].concat();
        assert!(gunzip(&endless).unwrap_err().to_string().contains("does not end"));
    }

    /// Numbers that look random and are the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % end
        }

        fn bytes(&mut self, most: usize) -> Vec<u8> {
            let (length, values) = (self.below(most), [1, 2, 64, 256][self.below(4)]);
            (0..length).map(|_| self.below(values) as u8).collect()
        }

        /// With every field that a header may have, or not.
        fn member(&mut self) -> Vec<u8> {
            let (bytes, flags) = (self.bytes(3000), self.below(32) as u8);
            let mut header = vec![MAGIC[0], MAGIC[1], MAGIC[2], flags, 1, 2, 3, 4, 0, 255];
            if flags & EXTRA != 0 {
                let extra = self.bytes(300);
                header.extend((extra.len() as u16).to_le_bytes());
                header.extend(extra);
            }
            for flag in [NAME, COMMENT] {
                if flags & flag != 0 {
                    let text = self.bytes(20);
                    header.extend(text.into_iter().filter(|&byte| byte != 0).chain([0]));
                }
            }
            if flags & HEADER_CRC != 0 {
                let mut crc = flate2::Crc::new();
                crc.update(&header);
                header.extend((crc.sum() as u16).to_le_bytes());
            }
            let level = Compression::new(self.below(10) as u32);
            let mut encoder = flate2::write::DeflateEncoder::new(header, level);
            let (front, back) = bytes.split_at(self.below(bytes.len() + 1));
            encoder.write_all(front).unwrap();
            // an empty block in the middle, as pigz writes them
            encoder.flush().unwrap();
            encoder.write_all(back).unwrap();
            let mut crc = flate2::Crc::new();
            crc.update(&bytes);
            let mut member = encoder.finish().unwrap();
            member.extend(crc.sum().to_le_bytes());
            member.extend(crc.amount().to_le_bytes());
            member
        }
    }

    /// What flate2 makes of it, and we in pieces of these sizes; our rest with it.
    type Both = (io::Result<Vec<u8>>, io::Result<(Vec<u8>, usize)>);

    fn both(stream: &[u8], numbers: &mut Numbers) -> Both {
        let mut theirs = Vec::new();
        let whole = flate2::bufread::MultiGzDecoder::new(stream).read_to_end(&mut theirs);
        let mut gunzip = Gunzip::new(BufReader::with_capacity(1 + numbers.below(700), stream));
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 + numbers.below(900)]);
        let ours = loop {
            match gunzip.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
                Err(error) => break Err(error),
            }
        };
        let mut rest = Vec::new();
        gunzip.reader.read_to_end(&mut rest).unwrap();
        (whole.map(|_| theirs), ours.map(|()| (bytes, rest.len())))
    }

    #[test]
    fn what_another_decoder_takes_gives_the_same_and_what_is_cut_is_refused_by_both() {
        let mut numbers = Numbers(1);
        for round in 0..400 {
            let members: Vec<Vec<u8>> = (0..=numbers.below(4)).map(|_| numbers.member()).collect();
            let stream = members.concat();
            let (theirs, ours) = both(&stream, &mut numbers);
            let theirs = theirs.unwrap();
            assert_eq!(ours.unwrap(), (theirs, 0), "round {round}");
            let cut = &stream[..1 + numbers.below(stream.len() - 1)];
            let (theirs, ours) = both(cut, &mut numbers);
            assert_eq!(theirs.ok(), ours.ok().map(|(bytes, _)| bytes), "round {round}, cut to {}", cut.len());
            // without the checksum more is taken, never something else
            let mut changed = stream.clone();
            for _ in 0..=numbers.below(2) {
                let at = numbers.below(changed.len());
                changed[at] ^= 1 << numbers.below(8);
            }
            if let (Ok(theirs), ours) = both(&changed, &mut numbers) {
                assert_eq!(ours.unwrap(), (theirs, 0), "round {round}, changed");
            }
        }
    }
}
