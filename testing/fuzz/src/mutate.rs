//! Changes inputs at random: small changes of valid inputs reach deeper than noise does.

/// Inputs grow no longer than this: headers and requests are short, and short inputs are fast.
const LONGEST: usize = 64 * 1024;

/// Numbers where code often goes wrong.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Random numbers that are the same for the same seed on every machine (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = self.next() % (end.max(1) as u64);
        usize::try_from(wide).unwrap_or(0)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

/// A changed copy of one of the inputs, sometimes with a piece of another.
pub fn mutated(random: &mut Random, inputs: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = random.pick(inputs).cloned().unwrap_or_default();
    for _ in 0..=random.below(6) {
        change(random, &mut bytes, inputs, words);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&[u8]]) {
    let at = random.below(bytes.len());
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next().to_le_bytes()[0];
            }
        }
        2 => {
            let end = (at + 1 + random.below(16)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        3 => bytes.truncate(at),
        4 => {
            let byte = random.next().to_le_bytes()[0];
            let many = vec![byte; 1 + random.below(32)];
            put(bytes, at, &many, true);
        }
        5 => {
            let number = random.pick(NUMBERS).copied().unwrap_or_default();
            let little = random.below(2) == 0;
            let whole = if little {
                number.to_le_bytes()
            } else {
                number.to_be_bytes()
            };
            let width = 1 << random.below(4);
            let part = if little {
                &whole[..width]
            } else {
                &whole[8 - width..]
            };
            put(bytes, at, part, false);
        }
        6 => {
            let end = (at + random.below(64)).min(bytes.len());
            let piece = bytes[at.min(end)..end].to_vec();
            let at = random.below(bytes.len() + 1);
            put(bytes, at, &piece, true);
        }
        7 => {
            let word = random.pick(words).copied().unwrap_or_default();
            let insert = random.below(2) == 0;
            put(bytes, at, word, insert);
        }
        _ => {
            let other = random.pick(inputs).map(Vec::as_slice).unwrap_or_default();
            let from = random.below(other.len());
            let end = (from + random.below(256)).min(other.len());
            let insert = random.below(2) == 0;
            put(bytes, at, &other[from.min(end)..end], insert);
        }
    }
}

/// Puts a piece between the bytes at `at`, or over them.
fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8], insert: bool) {
    let at = at.min(bytes.len());
    let end = if insert {
        at
    } else {
        (at + piece.len()).min(bytes.len())
    };
    bytes.splice(at..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_another_does_not() {
        let inputs = [b"GET / HTTP/1.1\r\n".to_vec(), b"POST".to_vec()];
        let make = |seed| {
            let mut random = Random::new(seed);
            let inputs = (0..200).map(|_| mutated(&mut random, &inputs, &[b"Host: "]));
            inputs.collect::<Vec<_>>()
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
        let different: std::collections::BTreeSet<_> = make(7).into_iter().collect();
        assert!(different.len() > 150, "{} of 200 differ", different.len());
    }

    #[test]
    fn an_empty_corpus_still_gives_inputs() {
        let mut random = Random::new(1);
        let longest = (0..500)
            .map(|_| mutated(&mut random, &[], &[b"word"]).len())
            .max();
        assert!(longest > Some(0));
    }
}
